"""An environment's settings as forms show and change them, on each of the pages that have some of them."""

from pydantic import BaseModel

from deputize.authority.administration import ObjectView
from deputize.authority.directory.objects import AgentTemplate, EnvironmentObject, RegistrationObject
from deputize.kernel.values import JsonObject
from deputize.oauth.records.settings import STORED


def written_out(view: ObjectView) -> JsonObject:
    """Return all settings of an environment, also those that have their defaults.

    Where nobody may introduce themselves, registration is what it would be at first.
    """
    settings = EnvironmentObject.model_validate(view.entry, context=STORED)
    found = settings.model_dump(mode="json") | {"organization_id": view.facts["organization_id"]}
    if settings.registration is None:
        found["registration"] = {**defaults_of(RegistrationObject), "agent": defaults_of(AgentTemplate)}
    return found


def defaults_of(model: type[BaseModel]) -> JsonObject:
    """Return the members of a part of the settings that need not be written, as a file writes them."""
    return model.model_construct().model_dump(mode="json")
