#!/usr/bin/env python3
"""A banking MCP server with one made-up customer, and tools that policies treat differently.

Run it with `python3 samples/banking_mcp_server.py --host 127.0.0.1 --port 8001`, or give
`banking_mcp_server:app` to uvicorn. The gateway in front of it decides who may call which tool, for example
by the scopes `banking:read_balance` and `banking:transfer`.
"""

import argparse
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, TextContent, ToolAnnotations
from pydantic import BaseModel, Field
from starlette.applications import Starlette

from banking.ledger import Account, Ledger, Refused, Transaction

READ_ONLY = ToolAnnotations(read_only_hint=True, open_world_hint=False)
MOVES_MONEY = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=False
)
AccountName = Annotated[
    str, Field(description="name of the account, for example savings", min_length=1, max_length=40)
]


class Accounts(BaseModel):
    """All accounts."""

    accounts: list[Account]


class Transactions(BaseModel):
    """What happened on an account, the latest first."""

    transactions: list[Transaction]


class BankingTools:
    """The tools, as plain methods over the ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def list_accounts(self) -> Annotated[CallToolResult, Accounts]:
        """List the names of the customer's accounts with their currencies and balances."""
        accounts = self._ledger.accounts()
        return _result(Accounts(accounts=accounts), "\n".join(map(_line, accounts)))

    def read_balance(self, account: AccountName) -> Annotated[CallToolResult, Account]:
        """Read the balance of one account."""
        found = _answer_or_refuse(lambda: self._ledger.account(account))
        return _result(found, _line(found))

    def list_transactions(
        self,
        account: AccountName,
        limit: Annotated[int, Field(description="how many at most", ge=1, le=100)] = 10,
    ) -> Annotated[CallToolResult, Transactions]:
        """List the latest transactions of one account."""
        found = _answer_or_refuse(lambda: self._ledger.transactions(account, limit))
        return _result(
            Transactions(transactions=found),
            "\n".join(map(_entry, found)) or f"Nothing happened on {account} yet.",
        )

    def transfer(
        self,
        from_account: AccountName,
        to_account: AccountName,
        amount: Annotated[
            Decimal,
            Field(description="amount in the accounts' currency", gt=0, max_digits=12, decimal_places=2),
        ],
    ) -> Annotated[CallToolResult, Transaction]:
        """Transfer money from one of the customer's accounts to another."""
        done = _answer_or_refuse(lambda: self._ledger.transfer(from_account, to_account, amount))
        return _result(done, _entry(done))


def banking_server(ledger: Ledger) -> MCPServer[Any]:
    """Return the MCP server with its four tools."""
    server: MCPServer[Any] = MCPServer("banking", title="Banking", version="1", log_level="WARNING")
    tools = BankingTools(ledger)
    for tool in (tools.list_accounts, tools.read_balance, tools.list_transactions):
        server.add_tool(tool, annotations=READ_ONLY)
    server.add_tool(tools.transfer, annotations=MOVES_MONEY)
    return server


def application(host: str = "127.0.0.1") -> Starlette:
    """Return the ASGI application.

    On a loopback `host` only requests addressed to this machine by name are served.
    """
    return banking_server(Ledger(lambda: datetime.now(UTC))).streamable_http_app(
        streamable_http_path="/", host=host
    )


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(
        description="A banking MCP server with made-up money, Streamable HTTP at /."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8001, help="port to listen on (default: %(default)s)")
    arguments = parser.parse_args()
    uvicorn.run(application(arguments.host), host=arguments.host, port=arguments.port, log_level="info")


def _answer_or_refuse(question: Callable[[], Any]) -> Any:  # noqa: ANN401 - hands on whatever it is asked for
    """Return the ledger's answer; what it refuses becomes a message that the model can act on."""
    try:
        return question()
    except Refused as refusal:
        raise ToolError(str(refusal)) from refusal


def _line(account: Account) -> str:
    return f"{account.name}: {account.balance} {account.currency}"


def _entry(transaction: Transaction) -> str:
    return (
        f"{transaction.time:%d %b %Y %H:%M}: {transaction.amount} {transaction.currency} from "
        f"{transaction.from_account} "
        f"to {transaction.to_account} (number {transaction.number})"
    )


def _result(answer: BaseModel, text: str) -> CallToolResult:
    return CallToolResult(
        content=[TextContent(type="text", text=text)], structured_content=answer.model_dump(mode="json")
    )


app = application()

if __name__ == "__main__":
    main()
