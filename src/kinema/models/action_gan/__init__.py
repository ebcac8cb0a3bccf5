"""The action GAN: actions by latent transitions."""
