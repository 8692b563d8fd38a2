// The application that grantlog serves: it registers clients and plays the page at the authorization endpoint.

import assert from "node:assert/strict";

export const ana = () => ({
  id: "ana",
  auth_time: Math.floor(Date.now() / 1000),
  claims: { name: "Ana Silva", email: "ana@example.com", email_verified: true },
});

export class Application {
  #server;
  #keys;

  constructor(server, keys) {
    this.#server = server;
    this.#keys = keys;
  }

  /** An application with an API key of each role that it needs. */
  static async of(server) {
    const application = new Application(server, { admin: server.adminKey });
    for (const role of ["consent", "resource_server"]) {
      const key = await application.call("admin", "POST", "/v1/api-keys", { name: role, role });
      application.#keys[role] = key.api_key;
    }
    return application;
  }

  /** The key with which APIs introspect tokens. */
  get introspectionKey() {
    return this.#keys.resource_server;
  }

  /** Calls the JSON API with the key of a role. */
  async call(role, method, path, body) {
    const headers = { authorization: `Bearer ${this.#keys[role]}`, "content-type": "application/json" };
    const response = await fetch(new URL(path, this.#server.issuer), { method, headers, body: body && JSON.stringify(body) });
    const text = await response.text();
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
    return text && JSON.parse(text);
  }

  /** Registers a client; what is not said is as for a web application that may ask for everything. */
  register(metadata = {}) {
    return this.call("admin", "POST", "/v1/clients", {
      client_name: "Weather by Mail",
      redirect_uris: ["https://weather.example.com/callback"],
      scope: "openid profile email offline_access notes.read",
      ...metadata,
    });
  }

  registerMachine(metadata = {}) {
    const machine = { client_name: "Nightly Export", client_type: "machine", scope: "notes.read notes.write" };
    return this.call("admin", "POST", "/v1/clients", { ...machine, ...metadata });
  }

  /** Takes in what the client sent the browser to. */
  receive(authorizationUrl, subject) {
    return this.call("consent", "POST", "/v1/authorization-requests", { query: authorizationUrl.search.slice(1), subject });
  }

  decide(request, decision) {
    return this.call("consent", "POST", `/v1/authorization-requests/${request.id}/decision`, decision);
  }

  /** Does what the page does when the person says yes. */
  async approve(authorizationUrl, subject = ana()) {
    const request = await this.receive(authorizationUrl, subject);
    return request.next === "consent" ? this.decide(request, { decision: "approve" }) : request;
  }

  /** Does what the page does when the person says no. */
  async deny(authorizationUrl) {
    const request = await this.receive(authorizationUrl, ana());
    return this.decide(request, { decision: "deny" });
  }
}

/** Where the page sends the browser. */
export const destination = (request) => new URL(request.redirect_to);
