"""The numbers behind the pictures of `danlu plot`, computed by the product's own functions."""
