"""What the error codes of the ePayment API tell of a call that was attempted before."""

# What these say is wrong with the request, or with what the sales unit may do, was so at each attempt, so that none
# took effect. The others speak of the payment's state ("more than remains", "captured already", "not authorized yet"),
# of time, or of what is used once, as a QR: an earlier attempt may have made it so, or another server not know yet.
# Source: ePayment API, errors.
CONCLUSIVE_CODES = frozenset(
    {
        *("4040", "4070", "4080", "4090", "4100", "4110", "4120", "4130", "4140", "4160"),
        *("5010", "5020", "5030", "5040", "5050", "5060", "5080", "5100"),
        *("6010", "6130", "6140"),
    }
)
