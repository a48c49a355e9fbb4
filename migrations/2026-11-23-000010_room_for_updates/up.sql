-- Room for updates in the hot table. At 70 percent a page of seats that nobody has is full
-- when they are held by buyers with long names (a row grows from 65 bytes to 125), and then
-- rows move to other pages, which writes into the index: 5 updates in 100, and 27 in 100
-- where 64 neighbours go at once. At 50 percent the first is none and the second 15, and
-- after a sale the table is no larger than it was. Pages that are there stay as they are.
ALTER TABLE seats SET (fillfactor = 50);

-- The sweeper asks for the hold that lapses next, in an index that has an entry for each
-- running hold, and for each that has ended until it is vacuumed: 2 ms for 300,000 of them.
-- By default a fifth of all holds may have ended since, and holds are kept.
ALTER TABLE holds SET (autovacuum_vacuum_scale_factor = 0.05);
