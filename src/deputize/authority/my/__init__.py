"""What is a person's own: the pages on which they see and end what agents, and browsers, may do as theirs."""

from deputize.authority.my.pages import ACCOUNT, MY, MY_SECTION

__all__ = ["ACCOUNT", "MY", "MY_SECTION"]
