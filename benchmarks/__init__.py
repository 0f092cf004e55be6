"""How fast, measured: programs that print what they measured, the machine they ran on, and what they lacked."""
