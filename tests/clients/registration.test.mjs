// A client that nobody registered: all it has is the issuer. It registers itself, with openid-client and by hand with
// oauth4webapi, and then does what any client does.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as oauth from "oauth4webapi";
import * as oidc from "openid-client";
import { destination } from "./application.mjs";
import { begin, connect, stage } from "./relying_party.mjs";

const insecure = { [oauth.allowInsecureRequests]: true };
const redirect_uris = ["https://notes.example.com/callback"];

let server;
let application;
before(async () => ({ server, application } = await stage({ registration: "open" })));
after(() => server?.stop());

/** Registers with openid-client, which finds the endpoint by discovery. */
function register(metadata, authentication) {
  return oidc.dynamicClientRegistration(server.issuer, { redirect_uris, ...metadata }, authentication, {
    execute: [oidc.allowInsecureRequests],
  });
}

/** What the library knows of the client, with where browsers are sent back to. */
const told = (config) => ({ ...config.clientMetadata(), redirect_uris });

test("a confidential client registers itself and gets tokens", async () => {
  // What the library sends unless it is told otherwise; RFC 7591 §2 would have it be client_secret_basic.
  const config = await register({ client_name: "Notes", token_endpoint_auth_method: "client_secret_post" });
  assert.match(config.clientMetadata().client_secret, /^gls_/);
  assert.equal(config.clientMetadata().client_secret_expires_at, 0);
  const tokens = await connect(application, config, told(config));
  assert.equal(tokens.claims().sub, "ana");
  assert.equal((await oidc.fetchUserInfo(config, tokens.access_token, "ana")).email, "ana@example.com");
});

test("a public client registers itself twice and is one", async () => {
  const metadata = {
    client_name: "Editor",
    token_endpoint_auth_method: "none",
    grant_types: ["authorization_code", "refresh_token"],
  };
  const [config, again] = [await register(metadata, oidc.None()), await register(metadata, oidc.None())];
  assert.equal(again.clientMetadata().client_id, config.clientMetadata().client_id);
  const tokens = await connect(application, config, told(config), { scope: "openid offline_access" });
  const next = await oidc.refreshTokenGrant(config, tokens.refresh_token);
  assert.notEqual(next.refresh_token, tokens.refresh_token);
});

test("the consent page sees that nobody vouches for it", async () => {
  const config = await register({ client_name: "Notes" });
  const { url } = await begin(config, told(config));
  const { client } = await application.receive(url);
  assert.deepEqual([client.registration, client.verified], ["dynamic", false]);
});

test("a mistake is told in the words of RFC 7591", async () => {
  const error = await register({ redirect_uris: ["javascript:alert(1)"] }).catch((error) => error);
  assert.equal(error.error, "invalid_redirect_uri");
  assert.equal(error.status, 400);
});

test("a strict client takes every answer, and manages what it registered", async () => {
  const found = await oauth.discoveryRequest(server.issuer, { algorithm: "oauth2", ...insecure });
  const as = await oauth.processDiscoveryResponse(server.issuer, found);
  const answer = await oauth.dynamicClientRegistrationRequest(as, { redirect_uris, client_name: "Notes" }, insecure);
  const client = await oauth.processDynamicClientRegistrationResponse(answer);
  const headers = { authorization: `Bearer ${client.registration_access_token}`, "content-type": "application/json" };
  const call = (method, body) =>
    fetch(client.registration_client_uri, { method, headers, body: body && JSON.stringify(body) });
  assert.equal((await (await call("GET")).json()).client_name, "Notes");
  const changed = await call("PUT", { client_id: client.client_id, redirect_uris, client_name: "Notes 2" });
  assert.equal((await changed.json()).client_name, "Notes 2");
  const authentication = oauth.ClientSecretBasic(client.client_secret);
  const verifier = oauth.generateRandomCodeVerifier();
  const url = new URL(as.authorization_endpoint);
  url.search = new URLSearchParams({
    response_type: "code",
    client_id: client.client_id,
    redirect_uri: redirect_uris[0],
    scope: "email",
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
  });
  const approved = oauth.validateAuthResponse(as, client, destination(await application.approve(url)), oauth.expectNoState);
  const redeemed = await oauth.authorizationCodeGrantRequest(as, client, authentication, approved, redirect_uris[0], verifier, insecure);
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, redeemed);
  assert.equal((await call("DELETE")).status, 204);
  assert.equal((await call("GET")).status, 401);
  const api = { client_id: "notes-api" };
  const basic = oauth.ClientSecretBasic(application.introspectionKey);
  const looked = await oauth.introspectionRequest(as, api, basic, tokens.access_token, insecure);
  assert.deepEqual(await oauth.processIntrospectionResponse(as, api, looked), { active: false });
});
