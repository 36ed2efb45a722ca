"""Any vision chat model of transformers: actions spelled as text under the same grammar."""
