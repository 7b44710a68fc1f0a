// oauth4webapi, which checks every answer by the specifications: PROGRAM secret|key|dpop.
import * as oauth from 'oauth4webapi';
import { ACCESS_TOKEN, EXCHANGE, listen, must, seen, setting, signingKey, signOn } from './sign-on.mjs';

const [task] = process.argv.slice(2);
const insecure = { [oauth.allowInsecureRequests]: true };
const issuer = new URL(setting.issuer);
const server = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, insecure));
const keyed = task === 'key';
const delegates = task !== 'secret';
const client = { client_id: keyed ? setting.keyed : setting.registered };
const authentication = keyed
  ? oauth.PrivateKeyJwt({ key: await signingKey(), kid: setting.key.kid })
  : oauth.ClientSecretBasic(setting.secret);
const DPoP = task === 'dpop' ? oauth.DPoP(client, await oauth.generateKeyPair('ES256')) : undefined;
const options = { ...insecure, ...(DPoP && { DPoP }) };

// A server may ask for a nonce in a proof; a second try has it.
async function withNonce(attempt) {
  try {
    return await attempt();
  } catch (error) {
    if (!DPoP || !oauth.isDPoPNonceError(error)) throw error;
    return attempt();
  }
}

const { redirectUri, answer } = await listen();
const verifier = oauth.generateRandomCodeVerifier();
const [state, nonce] = [oauth.generateRandomState(), oauth.generateRandomNonce()];
const pushed = await withNonce(async () => oauth.processPushedAuthorizationResponse(server, client,
  await oauth.pushedAuthorizationRequest(server, client, authentication, new URLSearchParams({
    response_type: 'code', redirect_uri: redirectUri, scope: delegates ? 'openid agent' : 'openid email', state, nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  }), options)));
seen('PAR');
const url = new URL(server.authorization_endpoint);
url.search = new URLSearchParams({ client_id: client.client_id, request_uri: pushed.request_uri });
signOn(url);
const back = oauth.validateAuthResponse(server, client, await answer, state);
const tokens = await withNonce(async () => oauth.processAuthorizationCodeResponse(server, client,
  await oauth.authorizationCodeGrantRequest(server, client, authentication, back, redirectUri, verifier, options),
  { expectedNonce: nonce, requireIdToken: true }));
const claims = oauth.getValidatedIdTokenClaims(tokens);
seen('code with PKCE and iss');
const head = JSON.parse(Buffer.from(tokens.id_token.split('.')[0], 'base64url'));
must(head.alg === 'RS256', `the ID token is signed by ${head.alg}`);
seen('RS256 ID token');
must(tokens.token_type === (DPoP ? 'dpop' : 'bearer'), `the token type is ${tokens.token_type}`);

if (!delegates) {
  const user = await withNonce(async () => oauth.processUserInfoResponse(server, client, claims.sub,
    await oauth.userInfoRequest(server, client, tokens.access_token, options)));
  must(user.email, 'userinfo has no email');
  seen('userinfo');
}

const renewed = await withNonce(async () => oauth.processRefreshTokenResponse(server, client,
  await oauth.refreshTokenGrantRequest(server, client, authentication, tokens.refresh_token, options)));
seen('refresh');

let granted = renewed;
if (delegates) {
  const own = await withNonce(async () => oauth.processClientCredentialsResponse(server, client,
    await oauth.clientCredentialsGrantRequest(server, client, authentication, { scope: 'agent' }, options)));
  seen('client credentials');
  granted = await withNonce(async () => oauth.processGenericTokenEndpointResponse(server, client,
    await oauth.genericTokenEndpointRequest(server, client, authentication, EXCHANGE, {
      subject_token: renewed.access_token, subject_token_type: ACCESS_TOKEN,
      actor_token: own.access_token, actor_token_type: ACCESS_TOKEN, scope: 'test',
    }, options)));
  const body = JSON.parse(Buffer.from(granted.access_token.split('.')[1], 'base64url'));
  must(body.act?.sub === client.client_id, 'the exchanged token does not name the actor');
  seen('exchange');
}
if (DPoP) {
  const message = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params: {
    protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'interop', version: '1' } } });
  const headers = new Headers({ 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream' });
  const call = (proof) => oauth.protectedResourceRequest(
    granted.access_token, 'POST', new URL(setting.gateway), headers, message, proof);
  const answered = await withNonce(() => call({ DPoP }));
  must(answered.status === 200, `the gateway answered a bound token with proof with ${answered.status}`);
  const bare = await call({}).catch((error) => error);
  must(bare.status === 401, `the gateway answered a bound token without proof with ${bare.status}`);
  seen('through the gateway with proof, refused without');
}

// The resource asks about a token for it, and a client about its own.
const resource = { client_id: delegates ? setting.resource : client.client_id };
const asker = delegates ? oauth.ClientSecretBasic(setting.resourceSecret) : authentication;
const introspect = async () => oauth.processIntrospectionResponse(server, resource,
  await oauth.introspectionRequest(server, resource, asker, granted.access_token, insecure));
must((await introspect()).active, 'introspection says the token is not good');
seen('introspection');
await oauth.processRevocationResponse(
  await oauth.revocationRequest(server, client, authentication, renewed.refresh_token, insecure));
must(!(await introspect()).active, 'the token outlives the revocation of what it rests on');
seen('revocation');
console.log('done');
process.exit(0);
