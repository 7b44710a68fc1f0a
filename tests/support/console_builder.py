"""Builds an environment by the console's pages alone, as somebody with a browser and no scripts would."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from html import unescape
from typing import Any

from deputize.authority.console.forms import EntryForm
from deputize.authority.console.moments import Moments
from deputize.authority.console.pages import (
    agents,
    agreements,
    environment,
    policies,
    registration,
    resources,
    users,
)
from deputize.authority.console.texts import language
from support.authority import Browser

MOMENTS = Moments(language("en"), UTC)
Entry = Mapping[str, Any]


@dataclass
class ConsoleBuilder:
    """A browser of an administrator, and the environment that is built in it."""

    browser: Browser
    path: str
    """Of the environment's first page."""

    async def build(self, content: Entry) -> str:
        """Build what an environment file says, except for ids and secrets; the environment's id."""
        await self.browser.get(f"{self.path}/environments/new")
        await self.send(environment=content["environment"])
        self.path = self.browser.response.url.path
        await self.set_environment_up({each: content[each] for each in content if each != "default_policy"})
        for item in content.get("identity_providers", ()):
            await self.add_setting("providers", item)
        for each in content.get("resources", ()):
            await self.add_resource(each)
        for each in content.get("agreements", ()):
            await self.add_agreement(each)
        for each in content.get("policies", ()):
            await self.add_policy(each)
        for item in content.get("trusted_issuers", ()):
            await self.add_setting("trusted", item)
        ids = [await self.add_agent(each) for each in content.get("agents", ())]
        for agent_id, each in zip(ids, content.get("agents", ()), strict=True):
            await self.set_agent_up(agent_id, each)
        for each in content.get("users", ()):
            await self.open("users/new")
            await self.fill(users.FORM, each)
        await self.set_environment_up(content)
        if "registration" in content:
            await self.open("registration/settings")
            await self.fill(registration.SETTINGS, content)
        return self.path.rpartition("/")[2]

    async def set_environment_up(self, content: Entry) -> None:
        for tab, form in environment.GROUPS.items():
            await self.open("environment" if tab == "general" else f"environment/{tab}")
            await self.fill(form, content)

    async def add_setting(self, tab: str, item: Entry) -> None:
        listed = environment.LISTS[tab]
        await self.open(f"environment/add-{tab}")
        await self.fill(listed.form, {**listed.defaults, **item})

    async def add_resource(self, entry: Entry) -> None:
        await self.open("resources/new")
        await self.fill(resources.NEW, entry)
        resource_id = self.id_of("resources")
        if entry.get("impersonation_allowed"):
            await self.open(f"resources/{resource_id}/impersonation")
            await self.send()
        for each in entry.get("attributes", ()):
            source = next(name for name in resources.SOURCES if name in each)
            await self.open(f"resources/{resource_id}/add-attribute")
            await self.fill(resources.ATTRIBUTE, {**each, "source": source})
        for each in entry.get("scopes", ()):
            await self.open(f"resources/{resource_id}/add-scope")
            await self.fill(resources.SCOPE, each)

    async def add_agreement(self, entry: Entry) -> None:
        """An agreement can be enabled only once it can be shown."""
        await self.open("agreements/new")
        await self.fill(agreements.WITHOUT_TEXT, entry)
        agreement_id = self.id_of("agreements")
        for each in entry.get("languages", ()):
            await self.open(f"agreements/{agreement_id}/add-language")
            await self.fill(agreements.LANGUAGE, each)
        if entry.get("enabled", True):
            await self.open(f"agreements/{agreement_id}")
            await self.fill(agreements.PROFILE, {"enabled": True, **entry})

    async def add_policy(self, entry: Entry) -> None:
        """A new policy has a step, which goes once there are others, unless it is there already."""
        if entry["name"] == "Single_Factor":
            await self.open("policies")
            pattern = rf'href="{self.path}/policies/([^/"]+)">{entry["name"]}<'
            policy_id = re.findall(pattern, self.browser.response.text)[0]
        else:
            await self.open("policies/new")
            await self.fill(policies.PROFILE, entry)
            policy_id = self.id_of("policies")
        for step in entry["steps"]:
            kind = next(iter(step))
            await self.open(f"policies/{policy_id}/add/{kind}")
            await self.fill(policies.step_form(kind), step)
        await self.open(f"policies/{policy_id}/steps/0/remove")
        await self.send()

    async def add_agent(self, entry: Entry) -> str:
        """Create an agent, with what a new one can have; its id."""
        await self.open("agents/new")
        await self.fill(agents.NEW, {"owner": "", **entry})
        return self.id_of("agents")

    async def set_agent_up(self, agent_id: str, entry: Entry) -> None:
        """Grant an agent scopes and policies, and then set what may rest on these."""
        await self.open(f"agents/{agent_id}/resources")
        granted = entry.get("scopes", {})
        fieldsets = re.findall(r"<legend>(.*?) <code>.*?</fieldset>", self.browser.response.text, re.DOTALL)
        boxes = re.findall(r"<legend>.*?</fieldset>", self.browser.response.text, re.DOTALL)
        ticked: list[str] = []
        for legend, inside in zip(fieldsets, boxes, strict=True):
            for value in map(unescape, re.findall(r'name="scope" value="([^"]*)"', inside)):
                if value.partition(" ")[2] in granted.get(unescape(legend), ()):
                    ticked.append(value)
        assert len(ticked) == sum(map(len, granted.values()))
        await self.send(scope=ticked)
        for name in entry.get("policies", ()):
            await self.open(f"agents/{agent_id}/policies")
            await self.send(policy=name, add="on")
        await self.open(f"agents/{agent_id}/configuration")
        await self.fill(agents.CONFIGURATION, entry)
        if entry.get("enabled") is False:
            await self.open(f"agents/{agent_id}/stop")
            await self.send()

    async def open(self, path: str) -> None:
        response = await self.browser.get(f"{self.path}/{path}")
        assert response.status_code == 200, (path, response.text)

    async def fill(self, form: EntryForm, entry: Entry) -> None:
        """Put into each of a form's fields what an entry says of it, as it would be shown there, and send it.

        Of what the entry says nothing, stays what the page shows.
        """
        shown = form.fill(entry, MOMENTS).values
        typed = {each.name: list(shown[each.name]) for each in form.fields if _says(entry, each.name)}
        for each in form.fields:
            if each.type == "password" and each.name in entry:
                typed[each.name] = [entry[each.name]]
        await self.send(**typed)

    async def send(self, **typed: str | Sequence[str]) -> None:
        """Send the first form that has these fields."""
        page = self.browser.response.text
        names = [_names(form) for form in re.findall(r'<form(?! class="find").*?</form>', page, re.DOTALL)]
        index = next(at for at, each in enumerate(names) if {"csrf", *typed} <= each)
        response = await self.browser.submit(form=index, **typed)
        assert response.status_code == 200, (response.url, _wrong(response.text))

    def id_of(self, section: str) -> str:
        """The id of what was created: it is in the links of the page that follows."""
        pattern = rf"{re.escape(self.path)}/{section}/([0-9a-f-]{{36}})"
        return re.findall(pattern, f"{self.browser.response.url} {self.browser.response.text}")[0]


def _says(entry: Entry, name: str) -> bool:
    value: Any = entry
    for part in name.split("/"):
        if not isinstance(value, Mapping) or part not in value:
            return False
        value = value[part]
    return True


def _names(form: str) -> set[str]:
    return set(map(unescape, re.findall(r' name="([^"]*)"', form)))


def _wrong(page: str) -> Sequence[str]:
    return re.findall(r'class="(?:wrong|alert)".*?</(?:p|div)>', page, re.DOTALL) or [page]
