-- Move a feature's superseded state into <table>_history.
--
-- A row that stays as it was leaves no trace. A row changed twice in one transaction leaves only
-- the state that others could see (xmin tells who wrote the row). Times never run backwards, even
-- if the clock does.
CREATE FUNCTION keep_history() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    moment timestamptz := greatest(now(), OLD.valid_from + interval '1 microsecond');
    own boolean := OLD.xmin = pg_current_xact_id()::xid;
    columns text;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        NEW.valid_from := OLD.valid_from;
        NEW.valid_to := NULL;
        IF (to_jsonb(NEW) - 'revision' - 'geom' - 'geom_3857') = (to_jsonb(OLD) - 'revision' - 'geom' - 'geom_3857')
            AND NEW.geom::bytea IS NOT DISTINCT FROM OLD.geom::bytea THEN
            RETURN NULL;
        END IF;
        IF own THEN
            RETURN NEW;
        END IF;
        NEW.valid_from := moment;
    ELSIF own THEN
        RETURN OLD;
    END IF;
    SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO columns
        FROM pg_attribute
        WHERE attrelid = (TG_TABLE_NAME || '_history')::regclass AND attnum > 0 AND NOT attisdropped;
    OLD.valid_to := moment;
    EXECUTE format('INSERT INTO %I (%s) SELECT %s FROM (SELECT ($1).*) AS old',
                   TG_TABLE_NAME || '_history', columns, columns) USING OLD;
    IF TG_OP = 'UPDATE' THEN
        RETURN NEW;
    END IF;
    RETURN OLD;
END
$$;
