"""A broker asks who may come in, and who may say and hear what: EMQX's HTTP authentication and authorization."""
