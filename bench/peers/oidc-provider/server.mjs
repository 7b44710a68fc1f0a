// node-oidc-provider, in memory: JWT access tokens signed with ES256, client credentials, token exchange as a registered grant,
// and opaque tokens for one resource, for introspection takes no others.
import { randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, importJWK, jwtVerify } from 'jose';
import Provider, { errors } from 'oidc-provider';

const port = Number(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;
const { privateKey } = await generateKeyPair('ES256', { extractable: true });
const jwk = { ...(await exportJWK(privateKey)), alg: 'ES256', use: 'sig', kid: 'bench' };
const { d, ...publicJwk } = jwk;
const verificationKey = await importJWK(publicJwk, 'ES256');
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const AUDIENCES = { 'urn:agent': 'agent', 'urn:test': 'test', 'urn:opaque': 'test' };

const provider = new Provider(issuer, {
  jwks: { keys: [jwk] },
  clients: [{
    client_id: 'agent', client_secret: 'a-secret-of-the-usual-length-for-one-benchmark', redirect_uris: [], response_types: [],
    grant_types: ['client_credentials', EXCHANGE], token_endpoint_auth_method: 'client_secret_basic', id_token_signed_response_alg: 'ES256',
  }],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    introspection: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => 'urn:agent',
      getResourceServerInfo: (ctx, resource) => ({
        scope: AUDIENCES[resource], audience: resource, accessTokenTTL: 3600,
        ...(resource === 'urn:opaque' ? { accessTokenFormat: 'opaque' } : { accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } }),
      }),
    },
  },
  extraTokenClaims: (ctx, token) => token.extra,
  ttl: { ClientCredentials: 3600, AccessToken: 3600 },
});

const verify = (token, audience) => jwtVerify(token, verificationKey, { issuer, audience, algorithms: ['ES256'] });

provider.registerGrantType(EXCHANGE, async (ctx) => {
  const { client, params } = ctx.oidc;
  const [subject, actor] = await Promise.all([verify(params.subject_token, 'urn:agent'), verify(params.actor_token, 'urn:agent')]);
  if (actor.payload.client_id !== client.clientId) throw new errors.InvalidGrant('actor');
  const token = new provider.ClientCredentials({
    client, scope: 'test', extra: { sub: subject.payload.client_id, act: { sub: actor.payload.client_id }, sid: randomUUID() },
  });
  token.resourceServer = new provider.ResourceServer('urn:test', {
    scope: 'test', audience: 'urn:test', accessTokenTTL: 3600, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } },
  });
  const value = await token.save();
  ctx.body = { access_token: value, expires_in: token.expiration, token_type: 'Bearer', scope: 'test', issued_token_type: params.subject_token_type };
}, ['subject_token', 'subject_token_type', 'actor_token', 'actor_token_type', 'scope']);

provider.listen(port, '127.0.0.1');
