"""The relational side: who owns what, and what was last seen. Tables, engine, migrations, and two shared queries."""
