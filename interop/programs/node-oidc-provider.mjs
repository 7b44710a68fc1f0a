// node-oidc-provider as somebody else's authority: PROGRAM PORT RESOURCE. Opaque and JWT access tokens, introspection, token exchange.
import { exportJWK, generateKeyPair } from 'jose';
import Provider, { errors } from 'oidc-provider';

const [port, resource] = process.argv.slice(2);
const issuer = `http://localhost:${port}`;
const { privateKey } = await generateKeyPair('RS256', { extractable: true });
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
const provider = new Provider(issuer, {
  jwks: { keys: [{ ...(await exportJWK(privateKey)), alg: 'RS256', use: 'sig', kid: 'interop' }] },
  clients: ['agent', 'gateway'].map((name) => ({
    client_id: name, client_secret: `a-secret-of-${name}-for-one-run-of-the-tests`, redirect_uris: [], response_types: [],
    grant_types: ['client_credentials', EXCHANGE], token_endpoint_auth_method: 'client_secret_basic',
  })),
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    introspection: { enabled: true, allowedPolicy: () => true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => `${resource}/jwt`,
      getResourceServerInfo: (ctx, asked) => ({
        scope: 'test', audience: resource,
        ...(asked.endsWith('/opaque') ? { accessTokenFormat: 'opaque' } : { accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } }),
      }),
    },
  },
  extraTokenClaims: (ctx, token) => token.extra,
  // A token that was exchanged is about the user, not about the client.
  formats: { customizers: { jwt: (ctx, token, jwt) => { if (token.extra?.sub) jwt.payload.sub = token.extra.sub; } } },
});

provider.registerGrantType(EXCHANGE, async (ctx) => {
  const { client, params } = ctx.oidc;
  if (!params.subject_token) throw new errors.InvalidRequest('subject_token');
  const token = new provider.ClientCredentials({ client, scope: 'test', extra: { sub: 'demouser', act: { sub: client.clientId } } });
  token.resourceServer = new provider.ResourceServer(`${resource}/jwt`, {
    scope: 'test', audience: resource, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } },
  });
  ctx.body = { access_token: await token.save(), expires_in: token.expiration, token_type: 'Bearer', scope: 'test' };
}, ['subject_token', 'subject_token_type', 'scope']);

provider.listen(Number(port), '127.0.0.1');
