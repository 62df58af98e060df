"""The workshop: models made of models. Everything goes tensor by tensor, so that a file of any size needs little
memory."""
