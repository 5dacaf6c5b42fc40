"""What members owe and pay: bills, arrears, instalments, fees, rewards, prepaid supplies.

A bill's amount is settled elsewhere (`statements`); this room must never change one.
"""
