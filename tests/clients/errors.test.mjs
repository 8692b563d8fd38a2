import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as oidc from "openid-client";
import { ana, destination } from "./application.mjs";
import { begin, discover, stage } from "./relying_party.mjs";

let server;
let application;
let registered;
let config;
before(async () => {
  ({ server, application } = await stage());
  registered = await application.register();
  config = await discover(server, registered, oidc.ClientSecretBasic(registered.client_secret));
});
after(() => server?.stop());

test("a person who says no is an error that the library names", async () => {
  const { url, checks } = await begin(config, registered);
  const answer = destination(await application.deny(url));
  await assert.rejects(oidc.authorizationCodeGrant(config, answer, checks), {
    code: "OAUTH_AUTHORIZATION_RESPONSE_ERROR",
    error: "access_denied",
  });
});

const mistakes = {
  "a scope that the client may not ask for": [{ scope: "openid notes.write" }, "invalid_scope"],
  "another response type": [{ response_type: "token" }, "unsupported_response_type"],
  "prompt=none beside another": [{ prompt: "none login" }, "invalid_request"],
  "the plain challenge method": [{ code_challenge_method: "plain" }, "invalid_request"],
  "a request object": [{ request: "eyJhbGciOiJub25lIn0.e30." }, "request_not_supported"],
};
for (const [mistake, [parameters, error]] of Object.entries(mistakes)) {
  test(`${mistake} comes back as ${error}`, async () => {
    const { url, checks } = await begin(config, registered, parameters);
    const request = await application.receive(url, ana());
    assert.equal(request.state, "rejected");
    await assert.rejects(oidc.authorizationCodeGrant(config, destination(request), checks), { error });
  });
}

test("nobody is sent to a place that is not registered", async () => {
  const { url } = await begin(config, registered, { redirect_uri: "https://evil.example.com/callback" });
  const request = await application.receive(url, ana());
  assert.equal(request.next, "show_error");
  assert.equal(request.redirect_to, undefined);
});

test("a wrong secret is a challenge, and not an answer about the code", async () => {
  const impostor = await discover(server, registered, oidc.ClientSecretBasic("guessed"));
  const { url, checks } = await begin(impostor, registered);
  const answer = destination(await application.approve(url));
  const refused = await oidc.authorizationCodeGrant(impostor, answer, checks).catch((error) => error);
  assert.equal(refused.code, "OAUTH_WWW_AUTHENTICATE_CHALLENGE");
  assert.equal(refused.status, 401);
  // The code is still good for the client that it was made for.
  assert.ok(await oidc.authorizationCodeGrant(config, answer, checks));
});

// RFC 6749 §5.2: 401 is for those who tried the Authorization header.
test("a secret in the form where HTTP Basic was registered is refused", async () => {
  const other = await discover(server, registered, oidc.ClientSecretPost(registered.client_secret));
  await assert.rejects(oidc.refreshTokenGrant(other, "anything"), { error: "invalid_client", status: 400 });
});

test("a client assertion is good once", async () => {
  const { generateKeyPair, exportJWK } = await import("jose");
  const { publicKey, privateKey } = await generateKeyPair("ES256", { extractable: true });
  const jwks = { keys: [{ ...(await exportJWK(publicKey)), alg: "ES256" }] };
  const machine = await application.registerMachine({ token_endpoint_auth_method: "private_key_jwt", jwks });
  const sameJti = { [oidc.modifyAssertion]: (_header, claims) => (claims.jti = "once") };
  const once = await discover(server, machine, oidc.PrivateKeyJwt(privateKey, sameJti));
  assert.ok((await oidc.clientCredentialsGrant(once)).access_token);
  await assert.rejects(oidc.clientCredentialsGrant(once), { error: "invalid_client", status: 400 });
});

test("what a client may not do is unauthorized_client, what nobody can do is unsupported_grant_type", async () => {
  await assert.rejects(oidc.clientCredentialsGrant(config), { error: "unauthorized_client", status: 400 });
  await assert.rejects(oidc.genericGrantRequest(config, "password", { username: "ana" }), { error: "unsupported_grant_type", status: 400 });
});

test("userinfo refuses what is no token with a challenge that says so", async () => {
  const refused = await oidc.fetchUserInfo(config, "nonsense", "ana").catch((error) => error);
  assert.equal(refused.code, "OAUTH_WWW_AUTHENTICATE_CHALLENGE");
  assert.equal(refused.cause[0].scheme, "bearer");
  assert.equal(refused.cause[0].parameters.error, "invalid_token");
});
