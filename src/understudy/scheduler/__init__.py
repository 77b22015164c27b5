"""When what is due: pure functions over values, no clock but the one passed in."""
