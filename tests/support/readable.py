"""Who may read which route: the whole census, by role, beside what there is none of."""

A_REGISTER = "/v1/meters/{meter}/registers/{register}"
OF_A_COMMITTED = {
    f"{A_REGISTER}/private-bills",
    f"{A_REGISTER}/bill-requests",
    f"{A_REGISTER}/days",
    f"{A_REGISTER}/days/{{seq}}/proof",
    f"{A_REGISTER}/days/{{seq}}/backup",
    f"{A_REGISTER}/nettings",
    f"{A_REGISTER}/nettings/{{netting_id}}/proof",
}
OF_USAGE = {
    "/v1/meter-points/{point_id}/usage",
    f"{A_REGISTER}/usage",
    f"{A_REGISTER}/usage-history",
    f"{A_REGISTER}/values",
}
"""What was metered, as it is believed."""
OF_BILLS = {
    "/v1/supplies/{supply_id}/preview",
    "/v1/bills/{number}",
    "/v1/bills/{number}.{suffix}",
    "/v1/bills/{number}/evidence.zip",
    "/v1/trades/{trade_id}/evidence.zip",
    "/v1/disputes/{dispute_id}",
}
"""What is made of bills and trades, each to whom it belongs."""
NOT_THERE = (
    OF_BILLS
    | {
        "/v1/supplies/{supply_id}",
        "/v1/restricted-bills/{number}",
        "/v1/offers/{offer_id}",
        "/v1/orders/{order_id}",
        "/v1/auctions/{start}",
        "/v1/auctions/{start}/book",
        "/v1/trades/{trade_id}",
        f"{A_REGISTER}/leak",
        "/v1/private-bills/{bill_id}/file",
        "/v1/me/withdrawals/{withdrawal_id}",
        "/v1/me/certifications/{application_id}",
    }
    | {path for path in OF_A_COMMITTED if path.endswith(("/proof", "/backup"))}
)
"""What there is none of at Ada's meter, whoever asks."""
OF_ONESELF = "/v1/me/"
ENDLESS = "/v1/me/events"
"""A stream: `test_web_stream` listens to it."""
AUCTIONS = {"/v1/auctions", "/v1/auctions/{start}", "/v1/auctions/{start}/book"}
"""What slots' auctions did: members look, and so does who checks them."""
OF_MEMBERS = (
    AUCTIONS
    | OF_BILLS
    | {
        "/v1/me/bills",
        "/v1/me/disputes",
        "/v1/me/chain-bills",
        "/v1/me/auction-orders",
        "/v1/offers",
        "/v1/offers/best",
        "/v1/offers/{offer_id}",
        "/v1/orders/{order_id}",
        "/v1/me/offers",
        "/v1/me/orders",
        ENDLESS,
        "/v1/me/event-log",
        "/v1/me/trades",
        "/v1/trades/{trade_id}",
        "/v1/me/balances",
        "/v1/me/ledger",
        "/v1/me/trust",
        "/v1/me/trust/events",
        "/v1/me/surplus",
        "/v1/market",
        "/v1/me/wallets",
        "/v1/me/calls",
        "/v1/me/withdrawals",
        "/v1/me/withdrawals/{withdrawal_id}",
        "/v1/me/deposits",
        "/v1/me/certifications",
        "/v1/me/certifications/{application_id}",
        "/v1/me/meter-documents",
        "/v1/me/payments",
        "/v1/me/arrears",
        "/v1/me/bill-payments",
        "/v1/me/instalment-plans",
        "/v1/me/paygo-tokens",
        "/v1/me/rewards",
        "/v1/quotes",
        "/v1/me/purchases",
        "/v1/me/slots",
        "/v1/listings",
    }
)
"""What each member has of his own, and an operator has none of; or he trades by it."""
OF_TRADERS = {
    "/v1/offers",
    "/v1/offers/{offer_id}/withdrawal",
    "/v1/orders",
    "/v1/orders/{order_id}/confirmation",
    "/v1/orders/{order_id}/release",
    "/v1/orders/{order_id}/cancellation",
    "/v1/auction-orders",
    "/v1/auction-orders/{order_id}/cancellation",
    "/v1/listings/purchases",
    "/v1/listings/refunds",
    "/v1/trades/{trade_id}/rating",
}
"""What every member may ask of the market, for himself."""
READABLE = {
    "operator": "*",
    "auditor": AUCTIONS
    | {
        "/v1/meters",
        "/v1/meters/{meter}",
        f"{A_REGISTER}/days",
        f"{A_REGISTER}/days/{{seq}}/proof",
        "/v1/acts",
        "/v1/certification-acts",
        "/v1/evidence",
        "/v1/refusals",
        "/v1/market",
        "/v1/figures/billing",
    },
    "metrics": {"/metrics", "/v1/market"},
    "ada": OF_A_COMMITTED
    | OF_MEMBERS
    | OF_USAGE
    | {
        "/v1/members/{member_id}",
        "/v1/members/{member_id}/balances",
        "/v1/members/{member_id}/wallets",
        "/v1/members/{member_id}/notice-preferences",
        "/v1/supplies",
        "/v1/meter-points",
        "/v1/meter-points/{point_id}",
        "/v1/meters",
        "/v1/meters/{meter}",
        "/v1/meters/{meter}/telemetry",
        "/v1/meters/{meter}/telemetry/latest",
        "/v1/meters/{meter}/telemetry/gaps",
        "/v1/meters/{meter}/registers/{register}/readings",
        "/v1/meters/{meter}/registers/{register}/credits",
        "/v1/meters/{meter}/registers/{register}/leak",
        "/v1/seals/{seal_id}/bundle",
        "/v1/meters/{meter}/registers/{register}/seals/{seq}/bundle",
    },
    "bo": OF_MEMBERS | {"/v1/meter-points", "/v1/meters", "/v1/supplies"},
    "cleo": OF_A_COMMITTED
    | OF_MEMBERS
    | OF_USAGE
    | {
        "/v1/supplies",
        "/v1/meter-points",
        "/v1/meter-points/{point_id}",
        "/v1/meters",
        "/v1/meters/{meter}",
        "/v1/meters/{meter}/telemetry",
        "/v1/meters/{meter}/telemetry/latest",
        "/v1/meters/{meter}/telemetry/gaps",
        "/v1/meters/{meter}/registers/{register}/readings",
        "/v1/meters/{meter}/registers/{register}/credits",
        "/v1/meters/{meter}/registers/{register}/leak",
    },
}
"""What each may read of Ada's things; lists show only what is the caller's own."""
