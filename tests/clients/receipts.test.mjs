// A consent receipt in the hands of programs that others wrote: a JSON Schema validator, a JSON-LD processor, a JOSE library.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { after, before, test } from "node:test";
import Ajv from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import canonicalize from "canonicalize";
import * as jose from "jose";
import jsonld from "jsonld";
import * as oidc from "openid-client";
import { connect, discover, stage } from "./relying_party.mjs";

const DPV = "https://w3id.org/dpv#";

let server;
let application;
let receipt;
before(async () => {
  ({ server, application } = await stage());
  const registered = await application.register();
  const config = await discover(server, registered, oidc.ClientSecretBasic(registered.client_secret));
  await connect(application, config, registered, { scope: "openid email notes.read" });
  const { grants } = await application.call("consent", "GET", "/v1/subjects/ana/grants");
  receipt = await application.call("consent", "GET", `/v1/audit/consents/${grants[0].id}/receipt`);
});
after(() => server?.stop());

test("it is valid by the published JSON Schema", async () => {
  const path = resolve(import.meta.dirname, "../../openapi/consent-receipt.schema.json");
  const ajv = new Ajv({ strict: false, allErrors: true });
  addFormats(ajv);
  // What OpenAPI calls the size of an integer is no format of JSON Schema.
  ajv.addFormat("int64", true).addFormat("int32", true);
  const validate = ajv.compile(JSON.parse(await readFile(path, "utf8")));
  assert.ok(validate(receipt), JSON.stringify(validate.errors));
  assert.ok(!validate({ ...receipt, header: { ...receipt.header, record_id: 5 } }));
});

test("it is linked data in the words of the Data Privacy Vocabulary", async () => {
  const nothing = (url) => assert.fail(`it leads elsewhere: ${url}`);
  const [expanded] = await jsonld.expand(receipt, { documentLoader: nothing });
  assert.deepEqual(expanded["@type"], [`${DPV}ConsentReceipt`]);
  assert.equal(expanded["http://purl.org/dc/terms/identifier"][0]["@value"], receipt.header.record_id);
  assert.equal(expanded[`${DPV}hasDataSubject`][0]["@value"], "ana");
  assert.deepEqual(expanded[`${DPV}hasLegalBasis`], [{ "@id": `${DPV}Consent` }]);
  assert.equal(expanded[`${DPV}hasPurpose`].length, 3);
  const [{ "@list": events }] = expanded[`${DPV}hasRecordOfActivity`];
  assert.deepEqual(events.at(-1)[`${DPV}hasConsentStatus`], [{ "@id": `${DPV}ConsentGiven` }]);
});

test("a JOSE library verifies its signature with the published key", async () => {
  const { signature, ...rest } = receipt;
  const keys = jose.createRemoteJWKSet(new URL("/ledger/keys", server.issuer));
  const [header, , signed] = signature.split(".");
  const compact = (document) => [header, Buffer.from(canonicalize(document)).toString("base64url"), signed].join(".");
  const { protectedHeader } = await jose.compactVerify(compact(rest), keys);
  assert.equal(protectedHeader.typ, "grantlog-consent-receipt");
  const changed = { ...rest, header: { ...rest.header, pii_principal_id: "ben" } };
  await assert.rejects(jose.compactVerify(compact(changed), keys), jose.errors.JWSSignatureVerificationFailed);
});
