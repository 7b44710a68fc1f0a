// Where the user's browser comes back to: prints the address to sign on at, and waits for the answer.
import { createServer } from 'node:http';

export const setting = JSON.parse(process.env.INTEROP_SETTING);
export const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
export const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

export async function listen() {
  let resolve;
  const answer = new Promise((done) => { resolve = done; });
  const server = createServer((request, response) => {
    response.end();
    resolve(new URL(request.url, `http://127.0.0.1:${server.address().port}`));
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return { redirectUri: `http://127.0.0.1:${server.address().port}/callback`, answer };
}

export function signOn(url) {
  console.log(String(url));
}

export async function signingKey() {
  return crypto.subtle.importKey('jwk', setting.key, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign']);
}

export function seen(text) {
  console.log(`seen: ${text}`);
}

export function must(condition, text) {
  if (!condition) throw new Error(text);
}
