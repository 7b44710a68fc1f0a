// openid-client, a certified relying party: PROGRAM secret|key|dpop.
import * as client from 'openid-client';
import { ACCESS_TOKEN, EXCHANGE, listen, must, seen, setting, signingKey, signOn } from './sign-on.mjs';

const [task] = process.argv.slice(2);
const keyed = task === 'key';
const clientId = keyed ? setting.keyed : setting.registered;
const authentication = keyed
  ? client.PrivateKeyJwt({ key: await signingKey(), kid: setting.key.kid })
  : client.ClientSecretBasic(setting.secret);
const config = await client.discovery(new URL(setting.issuer), clientId, undefined, authentication,
  { execute: [client.allowInsecureRequests] });
const DPoP = task === 'dpop' ? client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256')) : undefined;

const { redirectUri, answer } = await listen();
const pkceCodeVerifier = client.randomPKCECodeVerifier();
const [expectedState, expectedNonce] = [client.randomState(), client.randomNonce()];
const parameters = {
  redirect_uri: redirectUri, scope: keyed ? 'openid agent' : 'openid email', state: expectedState, nonce: expectedNonce,
  code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier), code_challenge_method: 'S256',
};
signOn(await client.buildAuthorizationUrlWithPAR(config, parameters, { DPoP }));
seen('PAR');
const tokens = await client.authorizationCodeGrant(config, await answer,
  { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true }, undefined, { DPoP });
seen('code with PKCE and iss, RS256 ID token');
if (!keyed) {
  must((await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub, { DPoP })).email, 'no email');
  seen('userinfo');
}
const renewed = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP });
seen('refresh');
if (keyed) {
  const own = await client.clientCredentialsGrant(config, { scope: 'agent' });
  const exchanged = await client.genericGrantRequest(config, EXCHANGE, {
    subject_token: renewed.access_token, subject_token_type: ACCESS_TOKEN,
    actor_token: own.access_token, actor_token_type: ACCESS_TOKEN, scope: 'test',
  });
  const body = JSON.parse(Buffer.from(exchanged.access_token.split('.')[1], 'base64url'));
  must(body.act?.sub === clientId, 'the exchanged token does not name the actor');
  seen('client credentials, exchange');
}
if (!DPoP) {
  must((await client.tokenIntrospection(config, renewed.access_token)).active, 'introspection says it is not good');
  seen('introspection');
  await client.tokenRevocation(config, renewed.refresh_token);
  must(!(await client.tokenIntrospection(config, renewed.access_token)).active, 'the token outlives its revocation');
  seen('revocation');
}
console.log('done');
process.exit(0);
