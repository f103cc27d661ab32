-- Sums over what no chain of digests covers, so that damage is noticed. Rows of earlier programs have none until they
-- are written again.
ALTER TABLE resource_history ADD COLUMN sum INTEGER;
ALTER TABLE resource_rows ADD COLUMN sum INTEGER;
ALTER TABLE stacks ADD COLUMN sum INTEGER;
ALTER TABLE state_values ADD COLUMN sum INTEGER;
