// What a client does with the library openid-client. All it knows is the issuer and its own registration.

import * as oidc from "openid-client";
import { Application, destination } from "./application.mjs";
import { startServer } from "./server.mjs";

/** A server and its application, for a whole test file; whoever asks for it stops the server. */
export async function stage(options) {
  const server = await startServer(options);
  return { server, application: await Application.of(server) };
}

/** Configures the library by discovery alone. */
export function discover(server, registered, authentication, options = {}) {
  const metadata = { id_token_signed_response_alg: registered.id_token_signed_response_alg };
  return oidc.discovery(server.issuer, registered.client_id, metadata, authentication, {
    execute: [oidc.allowInsecureRequests],
    ...options,
  });
}

/** One authorization in the making: the URL to send the browser to, and what to check the answer with. */
export async function begin(config, registered, parameters = {}) {
  const pkceCodeVerifier = oidc.randomPKCECodeVerifier();
  const checks = { pkceCodeVerifier, expectedState: oidc.randomState(), expectedNonce: oidc.randomNonce() };
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: registered.redirect_uris[0],
    scope: "openid email",
    state: checks.expectedState,
    nonce: checks.expectedNonce,
    code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: "S256",
    ...parameters,
  });
  return { url, checks };
}

/** Goes the whole way, and returns what the token endpoint answered. */
export async function connect(application, config, registered, parameters) {
  const { url, checks } = await begin(config, registered, parameters);
  return oidc.authorizationCodeGrant(config, destination(await application.approve(url)), checks);
}
