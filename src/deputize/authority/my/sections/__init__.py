"""The sections of a person's own pages, in the order of their menu; the first is where people come in."""

from deputize.authority.my.section import Section
from deputize.authority.my.sections.agents import AGENTS
from deputize.authority.my.sections.agreements import AGREEMENTS
from deputize.authority.my.sections.security import SECURITY
from deputize.authority.my.sections.sessions import SESSIONS

SECTIONS: tuple[Section, ...] = (AGENTS, AGREEMENTS, SESSIONS, SECURITY)
