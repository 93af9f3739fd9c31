-- What an order consists of. Keyed by order and line number: one order is one unit.
CREATE TABLE crm.order_lines (
    order_id    bigint        NOT NULL,
    line_no     integer       NOT NULL,
    product_id  bigint        NOT NULL,
    quantity    numeric(14,3) NOT NULL,
    unit_price  numeric(14,4) NOT NULL,
    discount    numeric(14,2) NOT NULL DEFAULT 0,
    tax         numeric(14,2) NOT NULL DEFAULT 0,
    amount      numeric(14,2) NOT NULL GENERATED ALWAYS AS (round(quantity * unit_price, 2) - discount + tax) STORED,
    CONSTRAINT order_lines_are_numbered              PRIMARY KEY (order_id, line_no),
    CONSTRAINT order_lines_belong_to_an_order        FOREIGN KEY (order_id)   REFERENCES crm.orders (id) ON DELETE CASCADE,
    CONSTRAINT order_lines_sell_a_product            FOREIGN KEY (product_id) REFERENCES crm.products (id),
    CONSTRAINT order_lines_line_no_is_positive       CHECK (line_no > 0),
    CONSTRAINT order_lines_quantity_is_positive      CHECK (quantity > 0 AND quantity <> 'NaN'),
    CONSTRAINT order_lines_unit_price_is_positive CHECK (unit_price > 0 AND unit_price <> 'NaN'),
    CONSTRAINT order_lines_discount_is_not_negative  CHECK (discount >= 0 AND discount <> 'NaN'),
    CONSTRAINT order_lines_discount_is_not_above_the_price CHECK (discount <= greatest(round(quantity * unit_price, 2), 0)),
    CONSTRAINT order_lines_tax_is_not_negative       CHECK (tax >= 0 AND tax <> 'NaN')
);

CREATE INDEX order_lines_by_product ON crm.order_lines (product_id);

COMMENT ON TABLE  crm.order_lines            IS 'Lines of an order: product, quantity and price';
COMMENT ON COLUMN crm.order_lines.order_id   IS 'Order that the line belongs to';
COMMENT ON COLUMN crm.order_lines.line_no    IS 'Position on the order: 1, 2, 3, ...; the next one if left out';
COMMENT ON COLUMN crm.order_lines.product_id IS 'Product that is sold';
COMMENT ON COLUMN crm.order_lines.quantity   IS 'Units sold, up to three decimals';
COMMENT ON COLUMN crm.order_lines.unit_price IS 'Price of one unit on this order, in the currency of the order; the price of the product if left out';
COMMENT ON COLUMN crm.order_lines.discount   IS 'Discount on the whole line, in the currency of the order';
COMMENT ON COLUMN crm.order_lines.tax        IS 'Tax on the whole line, in the currency of the order';
COMMENT ON COLUMN crm.order_lines.amount     IS 'What the line costs: quantity times unit price, rounded to cents, minus discount, plus tax';
COMMENT ON INDEX  crm.order_lines_by_product IS 'Finds the lines that sell a product';
COMMENT ON CONSTRAINT order_lines_are_numbered               ON crm.order_lines IS 'A line number occurs once within an order';
COMMENT ON CONSTRAINT order_lines_belong_to_an_order         ON crm.order_lines IS 'A line belongs to an order that exists, and goes with it';
COMMENT ON CONSTRAINT order_lines_sell_a_product             ON crm.order_lines IS 'A line sells a product that exists';
COMMENT ON CONSTRAINT order_lines_line_no_is_positive        ON crm.order_lines IS 'Line numbers start at 1';
COMMENT ON CONSTRAINT order_lines_quantity_is_positive       ON crm.order_lines IS 'A line sells more than nothing';
COMMENT ON CONSTRAINT order_lines_unit_price_is_positive ON crm.order_lines IS 'A price is above zero; a gift has a discount of all its price';
COMMENT ON CONSTRAINT order_lines_discount_is_not_negative   ON crm.order_lines IS 'A discount is a number, zero or more';
COMMENT ON CONSTRAINT order_lines_discount_is_not_above_the_price ON crm.order_lines IS 'A discount takes off no more than what the line costs';
COMMENT ON CONSTRAINT order_lines_tax_is_not_negative        ON crm.order_lines IS 'A tax is a number, zero or more';
