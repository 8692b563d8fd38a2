import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as oidc from "openid-client";
import { discover, stage } from "./relying_party.mjs";

let server;
let application;
before(async () => ({ server, application } = await stage()));
after(() => server?.stop());

for (const algorithm of ["oidc", "oauth2"]) {
  test(`discovery by ${algorithm} names every endpoint, and the issuer that was asked`, async () => {
    const registered = await application.register();
    const config = await discover(server, registered, oidc.ClientSecretBasic(registered.client_secret), { algorithm });
    const metadata = config.serverMetadata();
    assert.equal(metadata.issuer, server.issuer.origin);
    const endpoints = ["authorization", "token", "introspection", "revocation", "userinfo"];
    for (const name of [...endpoints.map((endpoint) => `${endpoint}_endpoint`), "jwks_uri"]) {
      assert.ok(metadata[name]?.startsWith(`${server.issuer.origin}/`), `${name} is ${metadata[name]}`);
    }
    assert.ok(metadata.supportsPKCE("S256"));
    assert.equal(metadata.authorization_response_iss_parameter_supported, true);
  });
}

test("an issuer spelled otherwise is not the issuer", async () => {
  const other = { issuer: new URL(server.issuer.origin.replace("127.0.0.1", "localhost")) };
  await assert.rejects(discover(other, { client_id: "client" }, oidc.None()), { code: "OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED" });
});
