// oauth4webapi, the strict client under openid-client, driven by hand: it says what it misses in every answer.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import * as oauth from "oauth4webapi";
import { destination } from "./application.mjs";
import { stage } from "./relying_party.mjs";

const insecure = { [oauth.allowInsecureRequests]: true };

let server;
let application;
before(async () => ({ server, application } = await stage()));
after(() => server?.stop());

test("every answer of a whole life is one that a strict client takes", async () => {
  const registered = await application.register({ id_token_signed_response_alg: "ES256" });
  const client = { client_id: registered.client_id, id_token_signed_response_alg: "ES256" };
  const authentication = oauth.ClientSecretBasic(registered.client_secret);
  const [redirectUri] = registered.redirect_uris;

  const found = await oauth.discoveryRequest(server.issuer, { algorithm: "oauth2", ...insecure });
  const as = await oauth.processDiscoveryResponse(server.issuer, found);

  const verifier = oauth.generateRandomCodeVerifier();
  const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()];
  const url = new URL(as.authorization_endpoint);
  url.search = new URLSearchParams({
    response_type: "code",
    client_id: client.client_id,
    redirect_uri: redirectUri,
    scope: "openid email offline_access",
    state,
    nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
  });
  const answer = oauth.validateAuthResponse(as, client, destination(await application.approve(url)), state);
  const redeemed = await oauth.authorizationCodeGrantRequest(as, client, authentication, answer, redirectUri, verifier, insecure);
  assert.match(redeemed.headers.get("cache-control"), /no-store/);
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, redeemed, { expectedNonce: nonce, requireIdToken: true });
  await oauth.validateApplicationLevelSignature(as, redeemed, insecure);
  assert.equal(oauth.getValidatedIdTokenClaims(tokens).sub, "ana");

  const info = await oauth.userInfoRequest(as, client, tokens.access_token, insecure);
  assert.equal((await oauth.processUserInfoResponse(as, client, "ana", info)).email, "ana@example.com");

  // RFC 9068 as the library reads it: what an API would check of a JWT access token.
  const call = new Request("https://notes.example.com/", { headers: { authorization: `Bearer ${tokens.access_token}` } });
  const claims = await oauth.validateJwtAccessToken(as, call, server.issuer.origin, insecure);
  assert.equal(claims.client_id, client.client_id);

  const refreshed = await oauth.refreshTokenGrantRequest(as, client, authentication, tokens.refresh_token, insecure);
  const next = await oauth.processRefreshTokenResponse(as, client, refreshed);
  assert.notEqual(next.refresh_token, tokens.refresh_token);

  const revoked = await oauth.revocationRequest(as, client, authentication, next.refresh_token, insecure);
  await oauth.processRevocationResponse(revoked);
  const api = { client_id: "notes-api" };
  const basic = oauth.ClientSecretBasic(application.introspectionKey);
  const looked = await oauth.introspectionRequest(as, api, basic, next.access_token, insecure);
  assert.deepEqual(await oauth.processIntrospectionResponse(as, api, looked), { active: false });
});
