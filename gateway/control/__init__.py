"""The authenticated channel that joins the processes."""
