"""Who may open the vault and as what: identities, key slots, what unlocks them."""
