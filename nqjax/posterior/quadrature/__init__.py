"""The posterior by quadrature: locate, straighten, integrate, draw and pool."""
