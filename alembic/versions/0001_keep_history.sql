-- Keep every superseded state of a feature table in <table>_history.
--
-- keep_history('building') makes a function and a trigger of the table's own, their columns written
-- out, so that a changed row costs one planned insert. A migration that adds or drops a column of
-- a feature table (and of its history) calls it again.

-- Whether this transaction, or a savepoint in it, wrote a row: then nobody else has seen it.
CREATE FUNCTION written_here(writer xid, valid_from timestamptz) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
DECLARE
    own xid8 := pg_current_xact_id();
    ahead bigint;
BEGIN
    IF writer = own::xid THEN
        RETURN true;
    END IF;
    IF valid_from < now() THEN
        RETURN false;
    END IF;
    -- A savepoint has a number of its own, near the transaction's; numbers wrap at 2^32.
    ahead := mod(writer::text::bigint - own::xid::text::bigint + 6442450944, 4294967296) - 2147483648;
    RETURN coalesce(
        pg_xact_status((own::text::bigint + ahead)::text::xid8) = 'in progress', false);
END
$$;

CREATE FUNCTION keep_history(layer text) RETURNS void LANGUAGE plpgsql AS $outer$
DECLARE
    columns text;
    old_values text;
BEGIN
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum),
           string_agg(CASE attname WHEN 'valid_to' THEN 'moment' ELSE 'OLD.' || quote_ident(attname) END,
                      ', ' ORDER BY attnum)
    INTO columns, old_values
    FROM pg_attribute
    WHERE attrelid = (layer || '_history')::regclass AND attnum > 0 AND NOT attisdropped;

    -- A row that stays as it was is not written. A row changed twice in one transaction leaves only
    -- the state that others could see. Times never run backwards, even if the clock does.
    EXECUTE format($format$
        CREATE OR REPLACE FUNCTION %1$I() RETURNS trigger LANGUAGE plpgsql AS $body$
        DECLARE
            moment timestamptz := greatest(now(), OLD.valid_from + interval '1 microsecond');
            seen boolean := NOT written_here(OLD.xmin, OLD.valid_from);
            wanted record;
        BEGIN
            IF TG_OP = 'UPDATE' THEN
                wanted := NEW;
                wanted.valid_from := OLD.valid_from;
                wanted.valid_to := OLD.valid_to;
                wanted.revision := OLD.revision;
                wanted.geom_3857 := OLD.geom_3857;
                IF NOT (wanted *<> OLD) THEN
                    RETURN NULL;
                END IF;
                NEW.valid_from := CASE WHEN seen THEN moment ELSE OLD.valid_from END;
                NEW.valid_to := NULL;
            END IF;
            IF seen THEN
                INSERT INTO %2$I (%3$s) VALUES (%4$s);
            END IF;
            RETURN CASE TG_OP WHEN 'UPDATE' THEN NEW ELSE OLD END;
        END
        $body$
        $format$, 'keep_' || layer || '_history', layer || '_history', columns, old_values);
    EXECUTE format(
        'CREATE OR REPLACE TRIGGER keep_history BEFORE UPDATE OR DELETE ON %I '
        'FOR EACH ROW EXECUTE FUNCTION %I()', layer, 'keep_' || layer || '_history');
END
$outer$;
