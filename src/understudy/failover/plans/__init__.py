"""Recovery plans: a pure planner says what comes next, a thin driver does it, and every step is durable before it is begun."""
