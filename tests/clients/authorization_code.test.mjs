import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as jose from "jose";
import * as oidc from "openid-client";
import { ana, destination } from "./application.mjs";
import { begin, connect, discover, stage } from "./relying_party.mjs";

let server;
let application;
before(async () => ({ server, application } = await stage()));
after(() => server?.stop());

async function webApplication(metadata) {
  const registered = await application.register(metadata);
  return { registered, config: await discover(server, registered, oidc.ClientSecretBasic(registered.client_secret)) };
}

async function signer(alg) {
  const { publicKey, privateKey } = await jose.generateKeyPair(alg, { extractable: true });
  const jwk = { ...(await jose.exportJWK(publicKey)), kid: `${alg}-1`, alg, use: "sig" };
  return { jwks: { keys: [jwk] }, privateKey: { key: privateKey, kid: jwk.kid } };
}

const methods = {
  client_secret_basic: async () => [{}, ({ client_secret }) => oidc.ClientSecretBasic(client_secret)],
  client_secret_post: async () => [{}, ({ client_secret }) => oidc.ClientSecretPost(client_secret)],
  none: async () => [{ redirect_uris: ["com.example.weather:/callback"] }, () => oidc.None()],
  ...Object.fromEntries(["ES256", "RS256", "EdDSA"].map((alg) => [`private_key_jwt ${alg}`, async () => {
    const { jwks, privateKey } = await signer(alg);
    return [{ jwks }, () => oidc.PrivateKeyJwt(privateKey)];
  }])),
};

for (const [name, method] of Object.entries(methods)) {
  test(`a client that authenticates by ${name} gets tokens`, async () => {
    const [metadata, authentication] = await method();
    const registered = await application.register({ token_endpoint_auth_method: name.split(" ")[0], ...metadata });
    const config = await discover(server, registered, authentication(registered));
    const tokens = await connect(application, config, registered, { scope: "openid email offline_access" });
    assert.equal(tokens.claims().sub, "ana");
    assert.equal(tokens.claims().aud, registered.client_id);
    assert.equal(tokens.token_type, "bearer");
    assert.ok(tokens.refresh_token);
    const info = await oidc.fetchUserInfo(config, tokens.access_token, "ana");
    assert.equal(info.email, "ana@example.com");
    const refreshed = await oidc.refreshTokenGrant(config, tokens.refresh_token);
    assert.notEqual(refreshed.refresh_token, tokens.refresh_token);
  });
}

for (const alg of ["RS256", "ES256", "EdDSA"]) {
  test(`ID tokens signed with ${alg} verify, by the library and by the key set`, async () => {
    const { registered, config } = await webApplication({ id_token_signed_response_alg: alg });
    // Without this the library trusts TLS for tokens that come straight from the token endpoint.
    oidc.enableNonRepudiationChecks(config);
    const tokens = await connect(application, config, registered);
    const keys = jose.createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri));
    const { protectedHeader } = await jose.jwtVerify(tokens.id_token, keys, { issuer: server.issuer.origin, audience: registered.client_id });
    assert.equal(protectedHeader.alg, alg);
  });
}

test("the answer is only taken with the state, the issuer and the nonce of this very request", async () => {
  const { registered, config } = await webApplication();
  const { url, checks } = await begin(config, registered);
  const answer = destination(await application.approve(url));
  assert.equal(answer.searchParams.get("iss"), server.issuer.origin);

  await assert.rejects(oidc.authorizationCodeGrant(config, answer, { ...checks, expectedState: "another" }), { code: "OAUTH_INVALID_RESPONSE" });
  for (const iss of [undefined, "https://evil.example.com"]) {
    const forged = new URL(answer);
    if (iss) forged.searchParams.set("iss", iss);
    else forged.searchParams.delete("iss");
    await assert.rejects(oidc.authorizationCodeGrant(config, forged, checks), { code: "OAUTH_INVALID_RESPONSE" });
  }
  const wrongNonce = oidc.authorizationCodeGrant(config, answer, { ...checks, expectedNonce: "another" });
  await assert.rejects(wrongNonce, { code: "OAUTH_JWT_CLAIM_COMPARISON_FAILED" });
});

test("a code is good once, and only with its verifier", async () => {
  const { registered, config } = await webApplication();
  const { url, checks } = await begin(config, registered);
  const answer = destination(await application.approve(url));
  const stolen = { ...checks, pkceCodeVerifier: oidc.randomPKCECodeVerifier() };
  await assert.rejects(oidc.authorizationCodeGrant(config, answer, stolen), { error: "invalid_grant", status: 400 });
  const tokens = await oidc.authorizationCodeGrant(config, answer, checks);
  await assert.rejects(oidc.authorizationCodeGrant(config, answer, checks), { error: "invalid_grant", status: 400 });
  // RFC 6749 §4.1.2: a code that comes twice ends what it led to.
  await assert.rejects(oidc.fetchUserInfo(config, tokens.access_token, "ana"), { code: "OAUTH_WWW_AUTHENTICATE_CHALLENGE" });
});

test("a client that knows only OAuth sends no nonce and gets no ID token", async () => {
  const { registered, config } = await webApplication();
  const { url, checks } = await begin(config, registered, { scope: "notes.read" });
  url.searchParams.delete("nonce");
  const answer = destination(await application.approve(url));
  const tokens = await oidc.authorizationCodeGrant(config, answer, { ...checks, expectedNonce: undefined });
  assert.equal(tokens.id_token, undefined);
  assert.equal(tokens.scope, "notes.read");
});

test("with response_mode=form_post the browser posts the answer", async () => {
  const { registered, config } = await webApplication();
  const { url, checks } = await begin(config, registered, { response_mode: "form_post" });
  const { form_post: form, redirect_to } = await application.approve(url);
  assert.equal(form.action, registered.redirect_uris[0]);
  const page = await (await fetch(redirect_to)).text();
  for (const value of Object.values(form.fields)) assert.ok(page.includes(value), `${value} is not on the page`);

  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const posted = new Request(form.action, { method: "POST", headers, body: new URLSearchParams(form.fields) });
  const tokens = await oidc.authorizationCodeGrant(config, posted, checks);
  assert.equal(tokens.claims().sub, "ana");
});

test("prompt=none answers at once, with a code only when nobody has to be asked", async () => {
  const { registered, config } = await webApplication();
  const silently = async (subject) => {
    const { url, checks } = await begin(config, registered, { prompt: "none" });
    const request = await application.receive(url, subject);
    assert.equal(request.next, "redirect");
    return oidc.authorizationCodeGrant(config, destination(request), checks);
  };
  await assert.rejects(silently(undefined), { code: "OAUTH_AUTHORIZATION_RESPONSE_ERROR", error: "login_required" });
  await assert.rejects(silently(ana()), { error: "consent_required" });
  await connect(application, config, registered);
  assert.equal((await silently(ana())).claims().sub, "ana");
});

test("max_age asks for a login that is not older, and the ID token proves it", async () => {
  const { registered, config } = await webApplication();
  const { url, checks } = await begin(config, registered, { max_age: "60" });
  const longAgo = { ...ana(), auth_time: ana().auth_time - 3600 };
  const request = await application.receive(url, longAgo);
  assert.equal(request.next, "reauthenticate");
  await application.call("consent", "PUT", `/v1/authorization-requests/${request.id}/subject`, { subject: ana() });
  const answer = destination(await application.decide(request, { decision: "approve" }));
  const tokens = await oidc.authorizationCodeGrant(config, answer, { ...checks, maxAge: 60 });
  assert.equal(typeof tokens.claims().auth_time, "number");
});

test("the hosted way leads through the interaction page and back in the same browser", async () => {
  const { registered, config } = await webApplication();
  const { url, checks } = await begin(config, registered);
  const arrival = await fetch(url, { redirect: "manual" });
  assert.equal(arrival.status, 303);
  const id = new URL(arrival.headers.get("location")).searchParams.get("authorization_request");
  const decided = await application.decide({ id }, { decision: "approve", subject: ana() });

  const stranger = await fetch(decided.redirect_to, { redirect: "manual" });
  assert.equal(stranger.status, 403);
  const cookie = arrival.headers.get("set-cookie").split(";")[0];
  const back = await fetch(decided.redirect_to, { redirect: "manual", headers: { cookie } });
  assert.equal(back.status, 303);
  const tokens = await oidc.authorizationCodeGrant(config, new URL(back.headers.get("location")), checks);
  assert.equal(tokens.claims().sub, "ana");
});
