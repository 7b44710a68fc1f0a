"""An environment in which every member of every entry of a file says something other than its default."""

from typing import Any

_KEY = {
    "kty": "EC",
    "crv": "P-256",
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    "kid": "one",
    "alg": "ES256",
    "use": "sig",
}
_LOGO = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAA"
    "DUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
_ACT = "#root.context.requestData.subjectToken.may_act"
_SIGN_ON = (
    '(#root.context.requestData.grantType == "client_credentials")?null:'
    '({ "sub": #root.context.appConfig.clientId })'
)

RICH: dict[str, Any] = {
    "environment": "Rich & <odd>",
    "default_policy": "Agent-Consent-Login",
    "default_language": "de",
    "session_lifetime": "6 hours",
    "session_idle_lifetime": "30 minutes",
    "require_dpop_nonce": True,
    "activity_retention": "30 days",
    "password_policy": {"min_length": 12, "max_length": 256},
    "branding": {"name": "Bank & Söhne", "logo": _LOGO, "colour": "#1a4f8b", "dark_colour": "#9cc7ff"},
    "identity_providers": [
        {
            "name": "company",
            "title": "Company’s “account”",
            "issuer": "https://login.example.com",
            "client_id": "deputize",
            "secret": "company.secret",
            "algorithms": ["ES256", "PS256"],
            "subject": "staff_number",
        }
    ],
    "trusted_issuers": [
        {
            "issuer": "https://idp.example.com",
            "algorithms": ["ES256"],
            "jwks": {"keys": [_KEY]},
            "users": {"policy": "Plain", "subject": "staff_number", "decides_for_users": True},
        },
        {
            "issuer": "https://platform.example.com",
            "algorithms": ["RS256", "EdDSA"],
            "jwks_uri": "https://platform.example.com/keys",
            "reusable": True,
        },
    ],
    "registration": {
        "hosts": ["app.example.com", "*.example.org"],
        "dynamic": True,
        "initial_access_tokens": True,
        "software_statements": ["https://idp.example.com"],
        "open": True,
        "approval_required": True,
        "max_agents": 50,
        "unused_lifetime": "2 days",
        "idle_lifetime": "30 days",
        "agent": {
            "policies": ["Agent-Consent-Login"],
            "scopes": {"accounts": ["read"], "assistants": ["act"]},
            "grants": ["refresh_token", "token_exchange"],
            "lifetime": "90 days",
            "delegation_resource": "assistants",
            "refresh_token_lifetime": "14 days",
            "refresh_token_rolling_lifetime": "90 days",
            "refresh_token_grace": "5 seconds",
            "owner": "ada",
        },
    },
    "resources": [
        {
            "name": "accounts",
            "description": "Your accounts",
            "descriptions": {"de": "Ihre Konten:\nGiro, Sparen", "fr": "Vos comptes"},
            "audience": "https://ig.example.com:8443/mcp",
            "token_lifetime": "15 minutes",
            "access_token_signed_response_alg": "EdDSA",
            "may_outlive_subject": True,
            "impersonation_allowed": True,
            "delegation_required": False,
            "attributes": [
                {"name": "act", "expression": _ACT, "required": True},
                {"name": "tier", "value": "gold"},
                {"name": "sub", "mapping": "Username"},
            ],
            "scopes": [
                {
                    "name": "transfer",
                    "description": "Transfer money",
                    "descriptions": {"de": "Geld überweisen"},
                    "consent": "on_use",
                },
                {"name": "read"},
            ],
        },
        {
            "name": "assistants",
            "attributes": [{"name": "may_act", "expression": _SIGN_ON}],
            "scopes": [{"name": "act"}],
        },
        {
            "name": "other",
            "attributes": [{"name": "may_act", "expression": _SIGN_ON}],
            "scopes": [{"name": "act"}],
        },
    ],
    "agreements": [
        {
            "name": "Agent Consent",
            "description": "What a user accepts",
            "reconsent_every": "180 days",
            "languages": [
                {"locale": "de", "title": "Einwilligung", "text": "Ich willige ein.\n\nWirklich."},
                {
                    "locale": "en",
                    "title": "Consent",
                    "text": "<p>I <b>consent</b>.</p>",
                    "content_type": "text/html",
                    "enabled": False,
                },
            ],
        },
        {
            "name": "Not used",
            "enabled": False,
        },
    ],
    "policies": [
        {
            "name": "Agent-Consent-Login",
            "steps": [
                {"login": {"or_passkey": True, "or_providers": ["company"]}},
                {"totp": {"required_of": "enrolled", "or_passkey": True}},
                {"agreement_prompt": {"agreement": "Agent Consent"}},
            ],
        },
        {"name": "Plain", "steps": [{"external": {"provider": "company"}}]},
        {"name": "Passkeys", "steps": [{"login": {}}, {"passkey": {"required_of": "enrolled"}}]},
    ],
    "agents": [
        {
            "name": "Batch",
            "enabled": False,
            "grants": ["client_credentials", "token_exchange"],
            "client_auth": "federated_jwt",
            "workloads": [
                {"issuer": "https://platform.example.com", "subject": "spiffe://example.com/agents/batch"}
            ],
            "scopes": {"accounts": ["read"]},
        },
        {
            "name": "Mail",
            "names": {"de": "Postassistent"},
            "description": "The company's assistant",
            "descriptions": {"en": "Reads your mail", "de": "Liest Ihre Post:\n  und antwortet"},
            "owner": "ada",
            "sponsor": "the board",
            "expires_at": "2999-01-01T10:00:30Z",
            "grants": ["client_credentials", "refresh_token", "token_exchange"],
            "redirect_uris": ["http://localhost:3000/callback", "https://mail.example.com/callback"],
            "post_logout_redirect_uris": ["https://mail.example.com/bye"],
            "backchannel_logout_uri": "https://mail.example.com/logout",
            "client_auth": "private_key_jwt",
            "jwks": {"keys": [_KEY]},
            "require_pushed_authorization_requests": True,
            "dpop_bound_access_tokens": True,
            "refresh_token_lifetime": "7 days",
            "refresh_token_rolling_lifetime": "60 days",
            "refresh_token_grace": "10 seconds",
            "id_token_signed_response_alg": "ES256",
            "delegation_resource": "other",
            "permitted_actors": ["Batch"],
            "loops_allowed": True,
            "identity_assertions": [
                {
                    "audience": "https://elsewhere.example.com",
                    "client_id": "mail-there",
                    "resources": {"https://elsewhere.example.com/api": ["read", "write"]},
                }
            ],
            "scopes": {"accounts": ["transfer", "read"], "assistants": ["act"], "other": ["act"]},
            "policies": ["Agent-Consent-Login", "Passkeys"],
        },
        {
            "name": "Keyed",
            "grants": ["client_credentials"],
            "client_auth": "private_key_jwt",
            "jwks_uri": "https://keyed.example.com/keys",
        },
    ],
    "users": [
        {
            "username": "ada",
            "password": "correct horse battery staple",
            "must_change_password": True,
            "email": "ada@example.com",
            "given_name": "Ada",
            "family_name": "Lovelace",
            "preferred_language": "de",
            "attributes": {"staff_number": "7", "teams": ["Payments", {"lead": True}]},
        },
        {"username": "bob", "enabled": False},
    ],
}
