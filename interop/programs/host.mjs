// What the TypeScript SDKs leave to their host program: a browser, where it comes back to, and memory.
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';

export class Host {
  static async listen(name, clientMetadataUrl) {
    const host = new Host();
    host.name = name;
    host.clientMetadataUrl = clientMetadataUrl;
    host.answer = new Promise((resolve) => {
      host.server = createServer((request, response) => {
        response.end();
        resolve(new URL(request.url, 'http://127.0.0.1').searchParams);
      });
    });
    await new Promise((resolve) => host.server.listen(0, '127.0.0.1', resolve));
    return host;
  }

  get redirectUrl() {
    return `http://127.0.0.1:${this.server.address().port}/callback`;
  }

  get clientMetadata() {
    return {
      client_name: this.name,
      redirect_uris: [this.redirectUrl],
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    };
  }

  state() {
    return crypto.randomUUID();
  }

  redirectToAuthorization(url) {
    spawn(process.env.BROWSER, [String(url)], { stdio: 'ignore' });
  }

  clientInformation() {
    return this.client;
  }

  saveClientInformation(client) {
    this.client = client;
  }

  tokens() {
    return this.saved;
  }

  saveTokens(tokens) {
    this.saved = tokens;
  }

  codeVerifier() {
    return this.verifier;
  }

  saveCodeVerifier(verifier) {
    this.verifier = verifier;
  }
}
