// Makes a history through the API, as applications and administrators make it: consents, less and more of them, and ends.

import { createHash } from "node:crypto";

const VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const REDIRECT_URI = "http://127.0.0.1:9000/callback";

export class World {
  constructor(issuer, credentials) {
    this.issuer = issuer;
    this.admin = credentials.admin_api_key;
  }

  /** Calls the JSON API as an administrator; the answer has to be a good one. */
  async call(method, path, body, form) {
    const headers = { Authorization: `Bearer ${this.admin}` };
    if (body) headers["Content-Type"] = "application/json";
    const answer = await fetch(this.issuer + path, { method, headers: form ? {} : headers, body: form ?? (body && JSON.stringify(body)) });
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    const text = await answer.text();
    return text ? JSON.parse(text) : undefined;
  }

  register(client_name) {
    const body = { client_name, redirect_uris: [REDIRECT_URI], scope: "openid email notes.read notes.write offline_access", token_endpoint_auth_method: "none" };
    return this.call("POST", "/v1/clients", body);
  }

  /** Somebody agrees that a client gets this; answers with the tokens. */
  async connect(client, person, scope, { organization, roles } = {}) {
    const challenge = createHash("sha256").update(VERIFIER).digest("base64url");
    const query = new URLSearchParams({ response_type: "code", client_id: client.client_id, redirect_uri: REDIRECT_URI, scope, state: "s", code_challenge: challenge, code_challenge_method: "S256" });
    const subject = { id: person, auth_time: Math.floor(Date.now() / 1000), organization_id: organization, roles };
    const request = await this.call("POST", "/v1/authorization-requests", { query: query.toString(), subject });
    const decided = request.redirect_to ? request : await this.call("POST", `/v1/authorization-requests/${request.id}/decision`, { decision: "approve" });
    const code = new URL(decided.redirect_to).searchParams.get("code");
    const form = new URLSearchParams({ grant_type: "authorization_code", code, client_id: client.client_id, code_verifier: VERIFIER, redirect_uri: REDIRECT_URI });
    return this.call("POST", "/oauth2/token", undefined, form);
  }

  async disconnect(person, client) {
    const { grants } = await this.call("GET", `/v1/subjects/${person}/grants`);
    const grant = grants.find((own) => own.client.client_id === client.client_id);
    await this.call("DELETE", `/v1/subjects/${person}/grants/${grant.id}`);
  }
}

/** The id of an access token that is a JWT. */
export const jtiOf = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString()).jti;
