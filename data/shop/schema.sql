-- The database of Acme Corp, which runs a shop and a restaurant.
-- In it the time stands still: today is always Monday, so no date ever goes stale, and every
-- weekday means the coming one. Amounts are US dollars; times are 24-hour, "19:00".

-- What callers say for a day, and the weekday they mean.
CREATE TABLE calendar (
    said TEXT PRIMARY KEY COLLATE NOCASE,
    day  TEXT NOT NULL CHECK (day IN (
        'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'))
);

CREATE TABLE orders (
    id         TEXT PRIMARY KEY CHECK (id GLOB '[0-9][0-9][0-9][0-9][0-9]'),
    customer   TEXT NOT NULL,
    email      TEXT NOT NULL COLLATE NOCASE,
    status     TEXT NOT NULL CHECK (status IN (
        'processing', 'shipped', 'delivered', 'cancelled', 'returned')),
    total      REAL NOT NULL CHECK (total > 0),
    item_count INTEGER NOT NULL CHECK (item_count > 0)
);

-- What is in each order: orders.item_count and orders.total are the sums over these rows.
CREATE TABLE items (
    order_id TEXT NOT NULL REFERENCES orders (id),
    name     TEXT NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity > 0),
    price    REAL NOT NULL CHECK (price > 0),
    PRIMARY KEY (order_id, name)
);

-- An order gets a row when it is handed to a carrier; eta is as an agent would say it.
CREATE TABLE shipping (
    order_id        TEXT PRIMARY KEY REFERENCES orders (id),
    carrier         TEXT NOT NULL,
    tracking_number TEXT NOT NULL UNIQUE,
    status          TEXT NOT NULL CHECK (status IN ('in transit', 'delayed', 'delivered')),
    eta             TEXT NOT NULL
);

CREATE TABLE tables (
    id    INTEGER PRIMARY KEY,
    seats INTEGER NOT NULL CHECK (seats > 0)
);

-- When the restaurant seats guests (it is closed on Sunday).
CREATE TABLE slots (
    day  TEXT NOT NULL,
    time TEXT NOT NULL CHECK (time GLOB '[0-2][0-9]:[0-5][0-9]'),
    PRIMARY KEY (day, time)
);

CREATE TABLE reservations (
    id         INTEGER PRIMARY KEY,
    customer   TEXT NOT NULL COLLATE NOCASE,
    day        TEXT NOT NULL,
    time       TEXT NOT NULL,
    party_size INTEGER NOT NULL CHECK (party_size > 0),
    table_id   INTEGER NOT NULL REFERENCES tables (id),
    status     TEXT NOT NULL CHECK (status IN ('booked', 'cancelled')),
    FOREIGN KEY (day, time) REFERENCES slots (day, time)
);

-- A table holds one party at a time; a cancelled reservation frees it.
CREATE UNIQUE INDEX one_party_a_table ON reservations (table_id, day, time)
    WHERE status = 'booked';

-- Forecasts reach from today to Friday.
CREATE TABLE weather (
    city          TEXT NOT NULL COLLATE NOCASE,
    day           TEXT NOT NULL,
    forecast      TEXT NOT NULL,
    temperature_c INTEGER NOT NULL CHECK (temperature_c BETWEEN -60 AND 60),
    PRIMARY KEY (city, day)
);
