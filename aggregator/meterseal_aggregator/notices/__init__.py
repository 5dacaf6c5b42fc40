"""What members and operators are told outside the API: by mail, SMS, or a call of theirs.

    kept = await preferences.keep(tx, member, wish, now=now)
    done = await duty.run_once(database, mailroom, now)

A notice says what happened, an amount, a day and a link, and nothing else; where somebody
is reached stands in a table of its own. It must never tell anybody what is another's.
"""
