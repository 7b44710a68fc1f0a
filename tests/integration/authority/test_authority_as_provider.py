"""An authority of ours is the identity provider of another one, over real connections."""

import contextlib
import socket
from urllib.parse import urlsplit

from deputize.authority.app import Authority
from deputize.authority.fetching import Fetcher, Fetching
from deputize.authority.serve import LIMITS
from deputize.http.listener import serve
from deputize.http.tls import server_context
from deputize.oauth.records.directory import Step
from deputize.oauth.records.settings import AgentSettings, IdentityProvider
from support.agent_delegation import AGENT_ID, ENVIRONMENT_ID, REDIRECT_URI, USER_ID, VERIFIER
from support.authority import Browser, basic, running_authority
from support.certificates import self_signed
from support.document_hosts import LOOPBACK, resolving
from support.factors import LOGIN, demand
from support.providers import offer

NAME = "home.example"


@contextlib.asynccontextmanager
async def home(folder):
    """Serve an authority at https; with it comes what trusts it."""
    key, certificate = self_signed(NAME)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    async with running_authority(folder, f"https://{NAME}:{port}") as authority:
        context = server_context(certificate, key)
        app = Authority(authority.services)
        listener = await serve(app, host="127.0.0.1", port=port, ssl=context, limits=LIMITS)
        try:
            yield authority, Fetcher(Fetching(LOOPBACK, certificate), resolving(["127.0.0.1"]))
        finally:
            await listener.close()


async def test_users_sign_on_at_home_and_their_agents_get_tokens_here(tmp_path):
    async with (
        home(tmp_path / "home") as (provider, fetcher),
        running_authority(tmp_path / "here", fetcher=fetcher) as authority,
        provider.client() as at_home,
        authority.client() as here,
    ):
        keys = authority.directory.environment.keys.public_jwks()
        provider.directory.replace_agent(
            redirect_uris=(f"{authority.issuer}/callback/home",),
            settings=AgentSettings(client_auth="private_key_jwt", jwks=dict(keys)),
        )
        offer(
            authority,
            IdentityProvider(
                name="home", title="Home", issuer=provider.issuer, client_id=AGENT_ID, subject="id"
            ),
        )
        demand(provider, LOGIN)
        demand(authority, Step("EXTERNAL", {"provider": "home"}))
        browser, page = Browser(authority, here), Browser(provider, at_home)
        await browser.get(authority.authorize_url())
        await browser.submit(provider="home")
        location = browser.response.headers["location"]
        assert location.startswith(f"{provider.issuer}/authorize?")
        await page.get(f"{urlsplit(location).path}?{urlsplit(location).query}")
        assert page.heading == "Sign on"
        await page.sign_on()
        assert page.heading == "Let MCP Tutorial act for you?"
        await page.accept()
        back = urlsplit(page.response.headers["location"])
        await browser.get(f"{back.path}?{back.query}")
        assert browser.heading == "Let MCP Tutorial act for you?"
        await browser.accept()
        form = {
            "grant_type": "authorization_code",
            "code": browser.answer["code"],
            "redirect_uri": REDIRECT_URI,
            "code_verifier": VERIFIER,
        }
        tokens = await here.post(f"{authority.path}/as/token", data=form, headers=basic())
        assert tokens.status_code == 200
        (session,) = await authority.store.sessions.sessions_of(ENVIRONMENT_ID)
        assert (session.user_id, set(session.factors)) == (USER_ID, {"external:home"})
        (refused,) = [await provider.records("REQUEST-REFUSED")]
        assert refused == []
