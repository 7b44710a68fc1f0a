"""The catalogue: every symptom that is named, its cause, and the setting, page or command that mends it.

`deputize doctor`, the console's page *Why* and `docs/howto/troubleshooting.md` use these words and no others.
They stand in the order of a call's way.
"""

from collections.abc import Mapping
from typing import Final

from deputize.diagnosis.cause import Cause, Setting

AUTHORITY_UNREACHABLE: Final = Cause(
    "authority_unreachable",
    "the authority does not answer",
    "nothing answers at {url}: {reason}",
    "start it (deputize authority serve), or correct --authority, the name's address, or the proxy in front",
    Setting("authority", "--host, --port"),
)
AUTHORITY_NOT_READY: Final = Cause(
    "authority_not_ready",
    "the authority is not ready",
    "{url} answers {status}: its database or its audit file cannot be used",
    "read the authority's log; its data folder and the folder of its audit have to be writable",
    Setting("authority", "--data, --audit"),
)
GATEWAY_UNREACHABLE: Final = Cause(
    "gateway_unreachable",
    "the gateway does not answer",
    "nothing answers at {url}: {reason}",
    "start it (deputize gateway serve), and compare the address with the connectors in admin.json",
    Setting("gateway", "config/admin.json: connectors"),
)
GATEWAY_NOT_READY: Final = Cause(
    "gateway_not_ready",
    "the gateway is not ready",
    "{url} answers {status}: it is starting or stopping, or its audit cannot be written",
    "read its log; deputize gateway check --instance FOLDER says what keeps it from serving",
    Setting("gateway", "config/admin.json"),
)
CERTIFICATE_UNKNOWN: Final = Cause(
    "certificate_unknown",
    "the certificate is self-signed, or of an unknown authority",
    "{url} shows a certificate that nobody here vouches for: {reason}",
    "name the file of its certificate authority: --ca-file here, and where agents and the gateway trust it "
    "as well; or have it issued by an authority that they know",
    Setting("gateway", "config/admin.json: ServerTlsOptions"),
)
CERTIFICATE_OF_ANOTHER_NAME: Final = Cause(
    "certificate_of_another_name",
    "the certificate is for another name",
    "the certificate of {url} does not name this host: {reason}",
    "use the name that the certificate has, or have one issued for this name",
    Setting("gateway", "config/admin.json: ServerTlsOptions"),
)
CERTIFICATE_EXPIRED: Final = Cause(
    "certificate_expired",
    "the certificate is out of date",
    "the certificate of {url} is not valid now: {reason}",
    "renew it; if it is not due, set the clock of this machine",
    Setting("gateway", "config/admin.json: ServerTlsOptions"),
)
TLS_EXPECTED: Final = Cause(
    "tls_expected",
    "TLS and clear text are mixed up",
    "{url} does not speak TLS, or not one that is safe: {reason}",
    "write http:// for a clear connector, or give the connector a tls object",
    Setting("gateway", "config/admin.json: connectors"),
)
CLEAR_TEXT: Final = Cause(
    "clear_text",
    "secrets would travel in clear text",
    "{url} is http and on another machine: nothing secret is sent there",
    "put TLS in front, and use the https address",
    Setting("authority", "--base-url"),
)
CLOCK_SKEW: Final = Cause(
    "clock_skew",
    "the clocks differ",
    "the clock of the {party} is {seconds} seconds {direction} that of this machine: tokens are expired, or "
    "not valid yet, when they arrive",
    "let all machines follow one time server (timedatectl set-ntp true)",
    Setting("authority", "the clock of its machine"),
)

ROUTE_NOT_LOADED: Final = Cause(
    "route_not_loaded",
    "the gateway answers 404",
    "no route takes {path}: it was not loaded, or its condition does not match",
    "deputize gateway check --instance FOLDER names file, position and cause; compare the route's condition",
    Setting("gateway", "config/routes/*.json: condition"),
)
NOT_PROTECTED: Final = Cause(
    "not_protected",
    "the gateway asks for no token",
    "a call without a token was answered {status} instead of 401 with a challenge",
    "put an McpProtectionFilter into the route, before the handler",
    Setting("gateway", "config/routes/*.json: McpProtectionFilter"),
)
RESOURCE_METADATA_MISSING: Final = Cause(
    "resource_metadata_missing",
    "the protected resource's metadata is not found",
    "{url} answers {status}, so clients do not learn where to get a token",
    "pass /.well-known/oauth-protected-resource on to the gateway where a proxy stands in front; its path "
    "follows from resourceId of the McpProtectionFilter",
    Setting("gateway", "config/routes/*.json: McpProtectionFilter, resourceId"),
)
RESOURCE_TRAILING_SLASH: Final = Cause(
    "resource_trailing_slash",
    "a trailing slash in resource",
    "{one} and {other} differ by the slash at their end, and are two resources",
    "write both alike, without the slash: audience of the resource at the authority, resourceId of the "
    "McpProtectionFilter, and the address that clients are given",
    Setting("resource", "audience"),
)
RESOURCE_OF_ANOTHER_URL: Final = Cause(
    "resource_of_another_url",
    "the metadata is about another resource",
    "clients connect to {url}, and the metadata is about {resource}: they must not use it (RFC 9728 section "
    "3.3)",
    "set resourceId of the McpProtectionFilter to the URL that clients connect to",
    Setting("gateway", "config/routes/*.json: McpProtectionFilter, resourceId"),
)
GATEWAY_BASE_URL: Final = Cause(
    "gateway_base_url",
    "the gateway names itself by another address",
    "clients reach it at {url}, and it calls itself {resource}: behind a proxy it has to be told its name",
    "set GATEWAY_URL (in resourceId) to the origin that clients use, and pass Host on in the proxy",
    Setting("gateway", "config/routes/*.json: McpProtectionFilter, resourceId"),
)
ANOTHER_AUTHORITY: Final = Cause(
    "another_authority",
    "the gateway trusts another authority",
    "its metadata names {named} as the authorization server, and not {issuer}",
    "set authorizationServerUri of the McpProtectionFilter to the issuer, character by character",
    Setting("gateway", "config/routes/*.json: McpProtectionFilter, authorizationServerUri"),
)
AUTHORITY_METADATA_MISSING: Final = Cause(
    "authority_metadata_missing",
    "the authority's metadata is not found",
    "{url} answers {status}",
    "give --authority exactly as deputize apply prints it (issuer …), and pass /.well-known paths on to the "
    "authority where a proxy stands in front",
    Setting("authority", "--base-url"),
)
ISSUER_INCONSISTENT: Final = Cause(
    "issuer_inconsistent",
    "the issuer is inconsistent",
    "the metadata read for {issuer} says that its issuer is {named}: clients must refuse it (RFC 8414 "
    "section 3.3)",
    "use one and the same text everywhere: --authority, authorizationServerUri, and what deputize apply "
    "prints",
    Setting("gateway", "config/routes/*.json: McpProtectionFilter, authorizationServerUri"),
)
AUTHORITY_BASE_URL: Final = Cause(
    "authority_base_url",
    "the authority names itself by another address",
    "clients reach it at {origin}, and its metadata says {named}: behind a proxy it has to be told its name",
    "start it with --base-url {origin}",
    Setting("authority", "--base-url"),
)
KEYS_MISSING: Final = Cause(
    "keys_missing",
    "the authority's keys are not found",
    "{url} gives no keys that verify tokens: {reason}",
    "pass the path on to the authority where a proxy stands in front",
    Setting("authority", "--base-url"),
)
AUTHORIZATION_STRIPPED: Final = Cause(
    "authorization_stripped",
    "a proxy strips Authorization",
    "a call with a token is answered as one without: Authorization does not reach the {party}",
    "have the proxy in front pass Authorization on (Apache: CGIPassAuth On; nginx: no proxy_set_header "
    "Authorization), and no filter of the route remove it first",
    Setting("gateway", "the proxy in front, or a HeaderFilter of the route"),
)

CLIENT_UNKNOWN: Final = Cause(
    "client_unknown",
    "the client is unknown",
    "the environment has no agent with the id {client_id}",
    "copy the id from the agent's page or from the file of deputize apply --secrets-out; ids differ from "
    "environment to environment",
    Setting("agent", "id"),
)
AGENT_DISABLED: Final = Cause(
    "agent_disabled",
    "the agent is disabled",
    "the agent {agent} is disabled",
    "deputize agents enable {agent} --environment {environment}",
    Setting("agent", "enabled"),
)
AGENT_EXPIRED: Final = Cause(
    "agent_expired",
    "the agent's time is over",
    "the agent {agent} was set up to act until a moment that has passed",
    "give it a later expires_at, or none; its users sign on again, as what was issued to it has ended",
    Setting("agent", "expires_at"),
)
CLIENT_SECRET_WRONG: Final = Cause(
    "client_secret_wrong",
    "client authentication fails",
    "the secret is not that of the agent {client_id}, or its client_auth is another than client_secret_basic",
    "deputize secrets rotate draws a new one; a secret with special characters is form-encoded in a Basic "
    "header (RFC 6749 section 2.3.1)",
    Setting("agent", "secret"),
)
GRANT_NOT_GRANTED: Final = Cause(
    "grant_not_granted",
    "the agent may not use this grant",
    "the agent {agent} was not granted {grant}",
    "add {grant} to its grants; authorization_code follows from redirect_uris",
    Setting("agent", "grants"),
)
SCOPE_NOT_GRANTED: Final = Cause(
    "scope_not_granted",
    "the scope is not granted",
    "the scope {scope} is none that the agent {agent} was granted",
    "grant it: scopes of the agent, by resource; the resource has to have a scope of that name",
    Setting("agent", "scopes"),
)
AUDIENCE_UNKNOWN: Final = Cause(
    "audience_unknown",
    "the audience is wrong",
    "no resource that the agent {agent} was granted has the audience {audience}",
    "set audience of the resource to exactly that: the gateway's resourceId, which is the URL of its MCP "
    "server",
    Setting("resource", "audience"),
)
REDIRECT_MISMATCH: Final = Cause(
    "redirect_mismatch",
    "the redirect URI does not match",
    "{redirect_uri} is not registered for the agent {agent}: the user sees an error instead of a sign-on or "
    "a consent prompt",
    "add it to redirect_uris, character by character; only the port of a loopback address may differ",
    Setting("agent", "redirect_uris"),
)
REDIRECT_ON_AUTHORITY: Final = Cause(
    "redirect_on_authority",
    "the redirect URI is on the authority's own host",
    "browsers would send the agent the users' session cookies, because cookies ignore ports",
    "use another host name for one of the two, such as 127.0.0.1 for the agent",
    Setting("agent", "redirect_uris"),
)
POLICY_MISSING: Final = Cause(
    "policy_missing",
    "the authority is not configured to answer",
    "the authentication policy {policy} of the agent {agent} does not exist, or prompts for an agreement "
    "that is gone",
    "name one that exists in policies of the agent, or in default_policy of the environment",
    Setting("agent", "policies"),
)
REQUEST_REFUSED: Final = Cause(
    "request_refused",
    "the authority refuses the request",
    "it answers {answer}",
    "deputize why --record ID, with the correlation id in this answer; the authority's log has it as well",
    Setting("client", "the request"),
)

SIGN_ON_REFUSED: Final = Cause(
    "sign_on_refused",
    "the user cannot sign on",
    "the page comes again after {user} and the password: one of them is wrong, the user is disabled, or has "
    "to wait after too many failures",
    "deputize users unlock {user} --environment {environment}; the authority's record "
    "DEPUTIZE-SIGN-ON-REFUSED says which",
    Setting("user", "password, enabled"),
)
USER_DISABLED: Final = Cause(
    "user_disabled",
    "the user is disabled",
    "the user {user} is disabled or gone",
    "enable the user",
    Setting("user", "enabled"),
)
NO_CONSENT_PROMPT: Final = Cause(
    "no_consent_prompt",
    "no consent prompt",
    "the policy {policy}, by which the agent {agent} signs users on, has no agreement step, or the "
    "agreement of that step is disabled",
    "assign a policy with an agreement step: policies of the agent, or default_policy of the environment",
    Setting("agent", "policies"),
)
AGREEMENT_DISABLED: Final = Cause(
    "agreement_disabled",
    "no consent prompt",
    "the agreement {agreement}, which the policy {policy} prompts for, is disabled, or none of its "
    "languages is enabled",
    "enable the agreement, and its text in the default language",
    Setting("agreement", "enabled, languages"),
)
CONSENT_MISSING: Final = Cause(
    "consent_missing",
    "consent is missing or was withdrawn",
    "{user} has not agreed that the agent {agent} acts for them, or not to all that it asks for, or it "
    "was withdrawn: {reason}",
    "let the user sign on through the agent and agree; deputize doctor --accept agrees for a test user",
    Setting("user", "consents"),
)
CONSENT_EVERY_TIME: Final = Cause(
    "consent_every_time",
    "consent at every sign-on",
    "{user} is asked again, for the same scopes, {reason}: the agreement is due again that soon",
    "lengthen reconsent_every of the agreement; keep its text, and what may_act yields, the same from one "
    "sign-on to the next",
    Setting("agreement", "reconsent_every"),
)
SCOPES_CHANGE: Final = Cause(
    "scopes_change",
    "consent at every sign-on",
    "the agent {agent} asks for scopes that the consent does not cover: {scopes}",
    "ask for the same scopes each time; what was agreed to once is not asked for again, what is new is",
    Setting("client", "scope"),
)
STEP_FOR_PEOPLE: Final = Cause(
    "step_for_people",
    "the sign-on asks for more than a password",
    "the page asks for {step}, which only the person can do",
    "let the person sign on: --browser",
    Setting("policy", "steps"),
)

MAY_ACT_MISSING: Final = Cause(
    "may_act_missing",
    "act is null, or the exchange fails: the subject token has no may_act",
    "the resource that the subject token is for ({audience}) has no attribute may_act, or its mapping "
    "yields nothing for a user's sign-on",
    'give the resource the attribute may_act: ({{"sub": #root.context.appConfig.clientId}})',
    Setting("resource", "attributes → may_act"),
)
MAY_ACT_NAMES_ANOTHER: Final = Cause(
    "may_act_names_another",
    "act is null, or the exchange fails: may_act.sub is not the actor's client_id",
    "may_act of the subject token names {named}, and the actor is {client_id}",
    "have may_act yield the client id of the agent that signs the user on "
    "(#root.context.appConfig.clientId); each agent exchanges only tokens of users who signed on through "
    "it, or permits others by permitted_actors",
    Setting("resource", "attributes → may_act"),
)
ACT_MAPPING_FALSE: Final = Cause(
    "act_mapping_false",
    "act is null, or the exchange fails: the mapping of act yields nothing",
    "the mapping of act on the resource {resource} yields nothing although may_act names the agent: {reason}",
    "compare the mapping with (#root.context.requestData.subjectToken.may_act.sub == "
    "#root.context.requestData.actorToken.client_id)?#root.context.requestData.subjectToken.may_act:null",
    Setting("resource", "attributes → act"),
)
ACT_NOT_MAPPED: Final = Cause(
    "act_not_mapped",
    "act is null: the mapping fails open, or is not configured",
    "the token for {resource} says nobody acts: the resource allows impersonation, and its mapping of act "
    "is not there or yields nothing",
    "map act, and leave impersonation_allowed and delegation_required at their defaults",
    Setting("resource", "impersonation_allowed"),
)
DELEGATION_REQUIRED: Final = Cause(
    "delegation_required",
    "client credentials are refused: the resource requires delegation",
    "a token for {resource} has to say who acts for whom, and no user is behind this request",
    "sign a user on for it, or exchange a subject token and an actor token for it",
    Setting("client", "grant_type"),
)
REQUIRED_CLAIM_MISSING: Final = Cause(
    "required_claim_missing",
    "a required attribute has no value",
    "{reason}",
    "correct the attribute's mapping, or do not require it",
    Setting("resource", "attributes"),
)
CONSENT_DOES_NOT_COVER: Final = Cause(
    "consent_does_not_cover",
    "the exchange fails: the consent does not cover the scope",
    "{user} agreed, but not that the agent {agent} obtains {scope}: {reason}",
    "let the user sign on again, and agree to what the page then lists; a scope with consent: on_use has to "
    "be asked for by name",
    Setting("agent", "scopes"),
)
GRANT_ENDED: Final = Cause(
    "grant_ended",
    "the exchange fails: what the token rests on has ended",
    "{reason}",
    "let the user sign on again",
    Setting("user", "sessions, consents"),
)
TOKEN_AUDIENCE_WRONG: Final = Cause(
    "token_audience_wrong",
    "the audience is wrong",
    "the token is for {audience}, and the gateway takes those for {resource}",
    "set audience of the resource at the authority to the gateway's resourceId",
    Setting("resource", "audience"),
)
TOKEN_SCOPE_MISSING: Final = Cause(
    "token_scope_missing",
    "403 insufficient_scope",
    "the token has the scope {scope}, and the route requires {required}",
    "grant the agent the scope and have it ask for it, or change scopes of the OAuth2ResourceServerFilter",
    Setting("agent", "scopes"),
)
TOKEN_NOT_VERIFIED: Final = Cause(
    "token_not_verified",
    "the token cannot be verified",
    "{reason}",
    "compare the issuer, and the keys at its jwks_uri: the token is of another environment, or its key is "
    "gone",
    Setting("gateway", "config/routes/*.json: issuer"),
)

INTROSPECTION_CREDENTIALS: Final = Cause(
    "introspection_credentials",
    "introspection credentials are wrong",
    "{reason}",
    "RESOURCE_ID has to be the resource's id, and RESOURCE_SECRET_ID the base64 of its secret without a "
    'line end (printf %s "$SECRET" | base64 -w0); deputize secrets rotate draws a new one',
    Setting("gateway", "config/routes/*.json: HttpBasicAuthenticationClientFilter"),
)
INTROSPECTION_SPECIAL_CHARACTERS: Final = Cause(
    "introspection_special_characters",
    "introspection credentials are wrong: special characters",
    "the resource's id or secret has characters that are form-encoded in a Basic header (RFC 6749 section "
    "2.3.1), and the gateway sends them as they are",
    "set urlEncodeCredentials of the HttpBasicAuthenticationClientFilter to true, or use a "
    "ClientSecretBasicAuthenticationFilter",
    Setting("gateway", "config/routes/*.json: HttpBasicAuthenticationClientFilter, urlEncodeCredentials"),
)
TOKENS_CANNOT_BE_CHECKED: Final = Cause(
    "tokens_cannot_be_checked",
    "the gateway cannot ask the authority",
    "the gateway answers {status}: it does not reach the authority's introspection, or does not trust its "
    "certificate",
    "correct AUTHORITY_URL (endpoint of the resolver), start the authority, give the gateway its "
    "certificate authority",
    Setting("gateway", "config/routes/*.json: accessTokenResolver, endpoint"),
)
TOKEN_REFUSED: Final = Cause(
    "token_refused",
    "401 with a token that looks right",
    "the gateway answers {answer}, although issuer, audience, scope and actor of the token are right",
    "the authority's record DEPUTIZE-TOKEN-INACTIVE says why: most often another resource's id in "
    "RESOURCE_ID",
    Setting("gateway", "config/routes/*.json: HttpBasicAuthenticationClientFilter, username"),
)
ACTOR_REQUIRED: Final = Cause(
    "actor_required",
    "403 from the gateway: nobody acts for the user",
    "the route requires an actor, and the token has no act.sub",
    "mend the mapping of act at the authority (see there)",
    Setting("resource", "attributes → act"),
)
ROUTING_ERROR: Final = Cause(
    "routing_error",
    "routing errors: the path rewrite does not strip the prefix",
    "the MCP server answers 404: it gets {path}, or whatever the route's path rewrite makes of it",
    "add a UriPathRewriteFilter whose mappings lead {path} to the path of the MCP server, such as "
    '{{"{path}": "/"}}',
    Setting("gateway", "config/routes/*.json: UriPathRewriteFilter, mappings"),
)
SERVER_UNREACHABLE: Final = Cause(
    "server_unreachable",
    "502, 503 or 504 from the gateway",
    "the gateway does not get an answer of the MCP server: {answer}",
    "start the MCP server, or correct MCP_SERVER_URL (baseURI of the route); the gateway's log says what "
    "was wrong",
    Setting("gateway", "config/routes/*.json: baseURI"),
)
NO_MCP_ANSWER: Final = Cause(
    "no_mcp_answer",
    "what answers is no MCP server",
    "{answer}",
    "let baseURI and the path rewrite of the route lead to the server's MCP endpoint (Streamable HTTP)",
    Setting("gateway", "config/routes/*.json: baseURI"),
)
STREAMING_OFF: Final = Cause(
    "streaming_off",
    "MCP traffic is dropped",
    "an event stream does not begin within {seconds} seconds: it is held back until it ends",
    "set streamingEnabled to true in admin.json and restart the gateway; in a proxy in front turn buffering "
    "off (nginx: proxy_buffering off)",
    Setting("gateway", "config/admin.json: streamingEnabled"),
)

CAUSES: Final[Mapping[str, Cause]] = {
    each.id: each for each in tuple(globals().values()) if isinstance(each, Cause)
}
"""By id."""
