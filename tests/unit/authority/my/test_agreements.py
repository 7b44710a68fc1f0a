"""What a person agreed to, and the receipt of it, which only they get."""

import re

from joserfc import jws
from joserfc.jwk import KeySet

from support.agent_delegation import TEXT
from support.authority import HASHER, PASSWORD, USER, Browser
from support.records import replace


async def test_a_receipt_says_what_was_agreed_to_and_is_nobody_elses(authority, browser):
    await browser.get(authority.authorize_url())
    await browser.sign_on()
    await browser.accept()
    authority.directory.replace_agreement(texts=(replace(TEXT, text="Another"),), version=2)
    page = (await browser.get(f"{authority.path}/my/agreements")).text
    assert TEXT.title in page
    path = re.search(r'href="([^"]+\?receipt=[^"]+)"', page).group(1)
    receipt = await browser.client.get(path)
    keys = KeySet.import_key_set((await browser.client.get(f"{authority.path}/as/jwks")).json())
    signed = jws.deserialize_compact(receipt.text, keys, algorithms=["ES256", "RS256"])
    assert signed.headers()["typ"] == "consent-receipt+jwt"
    assert TEXT.text.encode() in signed.payload
    assert b"Another" not in signed.payload
    ada = replace(USER, id="11111111-0000-4000-8000-000000000000", username="ada")
    await authority.store.users.put_user(replace(ada, password_hash=HASHER.hash(PASSWORD)))
    async with authority.client() as other:
        adas = Browser(authority, other)
        await adas.get(f"{authority.path}/my")
        await adas.sign_on(username="ada")
        answer = await adas.client.get(path)
        assert "You have agreed to nothing." in answer.text
