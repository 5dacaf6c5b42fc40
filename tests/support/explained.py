"""A transaction that asks the database how it would answer, before it has it answer."""

from meterseal_aggregator.storage.database import Row, Transaction


class Explained(Transaction):
    """Keeps what the database says of its `plan`, a line a step of each statement."""

    def __init__(self, tx: Transaction) -> None:
        super().__init__(tx.driver, tx.begin, begun=tx.begun)
        self.plan: list[str] = []

    async def rows(self, sql: str, params: object = ()) -> list[Row]:
        """Explain a statement, then run it."""
        assert isinstance(params, tuple)
        plan = await super().rows(f"EXPLAIN QUERY PLAN {sql}", params)
        self.plan += [row[3] for row in plan]
        return await super().rows(sql, params)
