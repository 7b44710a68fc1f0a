// Nimbus OAuth 2.0 SDK with OpenID Connect extensions, which checks every answer: PROGRAM secret|key|dpop.
import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.ECKey;
import com.nimbusds.jose.jwk.gen.ECKeyGenerator;
import com.nimbusds.jwt.SignedJWT;
import com.nimbusds.oauth2.sdk.*;
import com.nimbusds.oauth2.sdk.auth.*;
import com.nimbusds.oauth2.sdk.dpop.DefaultDPoPProofFactory;
import com.nimbusds.oauth2.sdk.dpop.DPoPProofFactory;
import com.nimbusds.oauth2.sdk.http.HTTPRequest;
import com.nimbusds.oauth2.sdk.http.HTTPResponse;
import com.nimbusds.oauth2.sdk.id.*;
import com.nimbusds.oauth2.sdk.pkce.*;
import com.nimbusds.oauth2.sdk.token.*;
import com.nimbusds.oauth2.sdk.tokenexchange.TokenExchangeGrant;
import com.nimbusds.oauth2.sdk.util.JSONObjectUtils;
import com.nimbusds.openid.connect.sdk.*;
import com.nimbusds.openid.connect.sdk.op.OIDCProviderMetadata;
import com.nimbusds.openid.connect.sdk.token.OIDCTokens;
import com.nimbusds.openid.connect.sdk.validators.AccessTokenValidator;
import com.nimbusds.openid.connect.sdk.validators.IDTokenValidator;
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.net.URI;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

class NimbusClient {
    static Issuer issuer;
    static ClientID clientId;
    static ECKey key;
    static Secret secret;
    static DPoPProofFactory proofs;

    public static void main(String[] arguments) throws Exception {
        var setting = JSONObjectUtils.parse(System.getenv("INTEROP_SETTING"));
        var keyed = arguments[0].equals("key");
        issuer = new Issuer(JSONObjectUtils.getString(setting, "issuer"));
        clientId = new ClientID(JSONObjectUtils.getString(setting, keyed ? "keyed" : "registered"));
        secret = new Secret(JSONObjectUtils.getString(setting, "secret"));
        key = keyed ? ECKey.parse(JSONObjectUtils.getJSONObject(setting, "key")) : null;
        proofs = arguments[0].equals("dpop")
            ? new DefaultDPoPProofFactory(new ECKeyGenerator(Curve.P_256).generate(), JWSAlgorithm.ES256) : null;
        var server = OIDCProviderMetadata.resolve(issuer);

        var answer = new CompletableFuture<URI>();
        var loopback = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        loopback.createContext("/callback", exchange -> {
            exchange.sendResponseHeaders(200, -1);
            exchange.close();
            answer.complete(URI.create("http://127.0.0.1").resolve(exchange.getRequestURI()));
        });
        var back = URI.create("http://127.0.0.1:" + loopback.getAddress().getPort() + "/callback");

        var verifier = new CodeVerifier();
        var state = new State();
        var nonce = new Nonce();
        var wanted = new AuthenticationRequest.Builder(
            ResponseType.CODE, new Scope("openid", keyed ? "agent" : "email"), clientId, back)
            .state(state).nonce(nonce).codeChallenge(verifier, CodeChallengeMethod.S256).build();
        var pushed = PushedAuthorizationResponse.parse(send(new PushedAuthorizationRequest(
            server.getPushedAuthorizationRequestEndpointURI(), authentication(), wanted).toHTTPRequest(), null));
        seen("PAR");
        loopback.start();
        System.out.println(new AuthorizationRequest.Builder(pushed.toSuccessResponse().getRequestURI(), clientId)
            .endpointURI(server.getAuthorizationEndpointURI()).build().toURI());
        // Its thread would keep a failed program alive.
        var landed = answer.orTimeout(120, TimeUnit.SECONDS).handle((address, failure) -> address).get();
        loopback.stop(0);
        must(landed != null, "nobody came back");
        var granted = AuthenticationResponseParser.parse(landed);
        must(granted.indicatesSuccess(), "the authority answered " + landed);
        must(state.equals(granted.getState()), "the state is another one");
        must(server.supportsAuthorizationResponseIssuerParam() && issuer.equals(granted.getIssuer()), "iss is not the issuer");

        var grant = new AuthorizationCodeGrant(granted.toSuccessResponse().getAuthorizationCode(), back, verifier);
        OIDCTokens tokens = token(server, grant, null).toOIDCTokens();
        seen("code with PKCE and iss");
        var claims = new IDTokenValidator(issuer, clientId, JWSAlgorithm.RS256, server.getJWKSetURI().toURL())
            .validate(tokens.getIDToken(), nonce);
        if (claims.getAccessTokenHash() != null) {
            AccessTokenValidator.validate(tokens.getAccessToken(), JWSAlgorithm.RS256, claims.getAccessTokenHash());
        }
        seen("RS256 ID token");
        if (!keyed) {
            var user = UserInfoResponse.parse(send(new UserInfoRequest(
                server.getUserInfoEndpointURI(), tokens.getAccessToken()).toHTTPRequest(), tokens.getAccessToken()))
                .toSuccessResponse().getUserInfo();
            must(claims.getSubject().equals(user.getSubject()), "userinfo is about somebody else");
            must(user.getEmailAddress() != null, "userinfo has no email");
            seen("userinfo");
        }
        var renewed = token(server, new RefreshTokenGrant(tokens.getRefreshToken()), null);
        seen("refresh");
        if (keyed) {
            var own = token(server, new ClientCredentialsGrant(), new Scope("agent")).getAccessToken();
            var exchanged = token(server, new TokenExchangeGrant(renewed.getAccessToken(), TokenTypeURI.ACCESS_TOKEN,
                own, TokenTypeURI.ACCESS_TOKEN, null, null), new Scope("test")).getAccessToken();
            must(TokenTypeURI.ACCESS_TOKEN.equals(exchanged.getIssuedTokenType()), "another type of token was issued");
            var act = SignedJWT.parse(exchanged.getValue()).getJWTClaimsSet().getJSONObjectClaim("act");
            must(act != null && clientId.getValue().equals(act.get("sub")), "the exchanged token does not name the actor");
            seen("client credentials, exchange");
        }
        must(isActive(server, renewed.getAccessToken()), "introspection says it is not good");
        seen("introspection");
        send(new TokenRevocationRequest(
            server.getRevocationEndpointURI(), authentication(), renewed.getRefreshToken()).toHTTPRequest(), null);
        must(!isActive(server, renewed.getAccessToken()), "the token outlives its revocation");
        seen("revocation");
        System.out.println("done");
    }

    // An assertion is for one request.
    static ClientAuthentication authentication() throws JOSEException {
        return key == null ? new ClientSecretBasic(clientId, secret) : new PrivateKeyJWT(
            clientId, URI.create(issuer.getValue()), JWSAlgorithm.ES256, key.toPrivateKey(), key.getKeyID(), null);
    }

    static Tokens token(OIDCProviderMetadata server, AuthorizationGrant grant, Scope scope) throws Exception {
        var request = new TokenRequest.Builder(server.getTokenEndpointURI(), authentication(), grant).scope(scope).build();
        var tokens = OIDCTokenResponseParser.parse(send(request.toHTTPRequest(), null)).toSuccessResponse().getTokens();
        var type = proofs == null ? AccessTokenType.BEARER : AccessTokenType.DPOP;
        must(type.equals(tokens.getAccessToken().getType()), "the token type is " + tokens.getAccessToken().getType());
        return tokens;
    }

    static boolean isActive(OIDCProviderMetadata server, AccessToken token) throws Exception {
        return TokenIntrospectionResponse.parse(send(new TokenIntrospectionRequest(
            server.getIntrospectionEndpointURI(), authentication(), token).toHTTPRequest(), null)).toSuccessResponse().isActive();
    }

    // A server may ask for a nonce in a proof; a second try has it.
    static HTTPResponse send(HTTPRequest request, AccessToken token) throws Exception {
        prove(request, token, null);
        var response = request.send();
        if (proofs != null && !response.indicatesSuccess() && response.getDPoPNonce() != null) {
            prove(request, token, response.getDPoPNonce());
            response = request.send();
        }
        must(response.indicatesSuccess(), request.getURI() + ": " + response.getStatusCode() + " " + response.getBody());
        return response;
    }

    static void prove(HTTPRequest request, AccessToken token, Nonce nonce) throws JOSEException {
        if (proofs != null) {
            var method = request.getMethod().name();
            request.setDPoP(token == null
                ? proofs.createDPoPJWT(method, request.getURI(), nonce)
                : proofs.createDPoPJWT(method, request.getURI(), token, nonce));
        }
    }

    static void seen(String text) {
        System.out.println("seen: " + text);
    }

    static void must(boolean condition, String text) {
        if (!condition) {
            throw new IllegalStateException(text);
        }
    }
}
