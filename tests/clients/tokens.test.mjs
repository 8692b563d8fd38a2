import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as jose from "jose";
import * as oidc from "openid-client";
import { connect, discover, stage } from "./relying_party.mjs";

const OFFLINE = { scope: "openid email offline_access notes.read" };

let server;
let application;
let api;
before(async () => {
  ({ server, application } = await stage());
  // The library knows HTTP Basic for this; the user name says nothing.
  api = await discover(server, { client_id: "notes-api" }, oidc.ClientSecretBasic(application.introspectionKey));
});
after(() => server?.stop());

async function connected(metadata) {
  const registered = await application.register(metadata);
  const config = await discover(server, registered, oidc.ClientSecretBasic(registered.client_secret));
  return { registered, config, tokens: await connect(application, config, registered, OFFLINE) };
}

const isActive = async (token) => (await oidc.tokenIntrospection(api, token)).active;

test("an API learns by introspection what a token is good for", async () => {
  for (const access_token_format of ["jwt", "opaque"]) {
    const { registered, tokens } = await connected({ access_token_format });
    const { exp, ...found } = await oidc.tokenIntrospection(api, tokens.access_token);
    assert.equal(found.active, true);
    assert.equal(found.client_id, registered.client_id);
    assert.equal(found.sub, "ana");
    assert.deepEqual(found.scope.split(" ").sort(), OFFLINE.scope.split(" ").sort());
    assert.ok(exp > Date.now() / 1000);
    // A refresh token is nothing to an API.
    assert.deepEqual(await oidc.tokenIntrospection(api, tokens.refresh_token), { active: false });
  }
});

test("introspection without the right key is refused", async () => {
  const thief = await discover(server, { client_id: "notes-api" }, oidc.ClientSecretBasic("glk_guessed"));
  await assert.rejects(oidc.tokenIntrospection(thief, "anything"), { status: 401 });
});

test("an API verifies JWT access tokens by the key set alone", async () => {
  const { registered, config, tokens } = await connected();
  const keys = jose.createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri));
  const { payload, protectedHeader } = await jose.jwtVerify(tokens.access_token, keys, { issuer: server.issuer.origin, typ: "at+jwt" });
  assert.equal(protectedHeader.alg, "EdDSA");
  assert.equal(payload.client_id, registered.client_id);
});

test("refresh tokens rotate; one that was lost on the way is answered again", async () => {
  const { config, tokens } = await connected();
  const first = await oidc.refreshTokenGrant(config, tokens.refresh_token);
  assert.notEqual(first.refresh_token, tokens.refresh_token);
  const retried = await oidc.refreshTokenGrant(config, tokens.refresh_token);
  assert.equal(retried.refresh_token, first.refresh_token);
  const second = await oidc.refreshTokenGrant(config, first.refresh_token);
  assert.notEqual(second.refresh_token, first.refresh_token);
  assert.equal(second.claims().sub, "ana");
});

test("a refresh token that is used again ends its authorization and no other", async () => {
  const { registered, config, tokens } = await connected({ refresh_grace: 0 });
  const otherDevice = await connect(application, config, registered, OFFLINE);
  const successor = await oidc.refreshTokenGrant(config, tokens.refresh_token);
  await assert.rejects(oidc.refreshTokenGrant(config, tokens.refresh_token), { error: "invalid_grant" });
  await assert.rejects(oidc.refreshTokenGrant(config, successor.refresh_token), { error: "invalid_grant" });
  assert.equal(await isActive(successor.access_token), false);
  assert.equal(await isActive(otherDevice.access_token), true);
  await oidc.refreshTokenGrant(config, otherDevice.refresh_token);
});

test("a refresh can ask for less and never for more", async () => {
  const { config, tokens } = await connected();
  const less = await oidc.refreshTokenGrant(config, tokens.refresh_token, { scope: "notes.read" });
  assert.equal(less.scope, "notes.read");
  const more = oidc.refreshTokenGrant(config, less.refresh_token, { scope: "notes.read notes.write" });
  await assert.rejects(more, { error: "invalid_scope", status: 400 });
});

test("revoking an access token ends it alone, revoking a refresh token ends the authorization", async () => {
  const { config, tokens } = await connected();
  const refreshed = await oidc.refreshTokenGrant(config, tokens.refresh_token);
  await oidc.tokenRevocation(config, tokens.access_token);
  assert.equal(await isActive(tokens.access_token), false);
  assert.equal(await isActive(refreshed.access_token), true);
  await assert.rejects(oidc.fetchUserInfo(config, tokens.access_token, "ana"), { code: "OAUTH_WWW_AUTHENTICATE_CHALLENGE", status: 401 });

  await oidc.tokenRevocation(config, refreshed.refresh_token, { token_type_hint: "access_token" });
  assert.equal(await isActive(refreshed.access_token), false);
  await assert.rejects(oidc.refreshTokenGrant(config, refreshed.refresh_token), { error: "invalid_grant" });
  // RFC 7009 §2.2: what is dead or was never there is answered alike.
  await oidc.tokenRevocation(config, refreshed.refresh_token);
  await oidc.tokenRevocation(config, "no token at all");
});

test("one client can't revoke or use what is another's", async () => {
  const [owner, stranger] = [await connected(), await connected()];
  await assert.rejects(oidc.tokenRevocation(stranger.config, owner.tokens.access_token), { error: "invalid_grant" });
  await assert.rejects(oidc.refreshTokenGrant(stranger.config, owner.tokens.refresh_token), { error: "invalid_grant" });
  assert.equal(await isActive(owner.tokens.access_token), true);
});

test("a disconnected client has nothing left", async () => {
  const { registered, config, tokens } = await connected();
  const { grants } = await application.call("consent", "GET", "/v1/subjects/ana/grants");
  const grant = grants.find(({ client }) => client.client_id === registered.client_id);
  await application.call("consent", "DELETE", `/v1/subjects/ana/grants/${grant.id}`);
  assert.equal(await isActive(tokens.access_token), false);
  await assert.rejects(oidc.refreshTokenGrant(config, tokens.refresh_token), { error: "invalid_grant" });
});

test("a machine gets tokens for itself", async () => {
  const registered = await application.registerMachine();
  const config = await discover(server, registered, oidc.ClientSecretBasic(registered.client_secret));
  const tokens = await oidc.clientCredentialsGrant(config, { scope: "notes.write" });
  assert.equal(tokens.scope, "notes.write");
  assert.equal(tokens.refresh_token, undefined);
  const found = await oidc.tokenIntrospection(api, tokens.access_token);
  assert.equal(found.sub, registered.client_id);
  await oidc.tokenRevocation(config, tokens.access_token);
  assert.equal(await isActive(tokens.access_token), false);
});
