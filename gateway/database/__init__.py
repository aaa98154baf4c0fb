"""Tables, engines, migrations, and the process that writes."""
