ALTER TABLE holds RESET (autovacuum_vacuum_scale_factor);
ALTER TABLE seats SET (fillfactor = 70);
