// What a tool sees through JDBC, as Tableau does: java -cp postgresql.jar Catalog.java URL USER
// One line a fact, tabs between: for test/t/081_jdbc.pl, which knows what they should be.
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.io.PrintStream;
import java.sql.*;
import java.time.LocalDate;
import java.time.OffsetDateTime;
import java.util.*;

public class Catalog {
    static final PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);

    static void say(Object... what) {
        StringJoiner line = new StringJoiner("\t");
        for (Object part : what)
            line.add(String.valueOf(part));
        out.println(line);
    }

    public static void main(String[] arguments) throws SQLException {
        try (Connection connection = DriverManager.getConnection(arguments[0], arguments[1], "")) {
            DatabaseMetaData meta = connection.getMetaData();
            List<String> views = new ArrayList<>();

            try (ResultSet schemas = meta.getSchemas()) {
                while (schemas.next())
                    say("schema", schemas.getString("TABLE_SCHEM"));
            }
            try (ResultSet tables = meta.getTables(null, "crm", "%", new String[] {"TABLE", "VIEW"})) {
                while (tables.next()) {
                    say("table", tables.getString("TABLE_NAME"), tables.getString("TABLE_TYPE"), tables.getString("REMARKS"));
                    if (tables.getString("TABLE_TYPE").equals("VIEW"))
                        views.add(tables.getString("TABLE_NAME"));
                }
            }
            try (ResultSet columns = meta.getColumns(null, "crm", "%", "%")) {
                while (columns.next())
                    say("column", columns.getString("TABLE_NAME"), columns.getString("COLUMN_NAME"),
                        JDBCType.valueOf(columns.getInt("DATA_TYPE")), columns.getInt("COLUMN_SIZE"),
                        columns.getInt("DECIMAL_DIGITS"), columns.getString("REMARKS"));
            }
            try (ResultSet keys = meta.getPrimaryKeys(null, "crm", "order_lines")) {
                while (keys.next())
                    say("primary", keys.getString("COLUMN_NAME"), keys.getInt("KEY_SEQ"));
            }
            try (ResultSet keys = meta.getImportedKeys(null, "crm", "order_lines")) {
                while (keys.next())
                    say("foreign", keys.getString("FKCOLUMN_NAME"), keys.getString("PKTABLE_NAME"), keys.getString("PKCOLUMN_NAME"));
            }
            for (String view : views)
                try (Statement statement = connection.createStatement();
                     ResultSet rows = statement.executeQuery("SELECT * FROM crm." + view)) {
                    int n = 0;
                    while (rows.next()) {
                        for (int i = 1; i <= rows.getMetaData().getColumnCount(); i++)
                            rows.getObject(i);
                        n++;
                    }
                    say("rows", view, n);
                }
            try (Statement statement = connection.createStatement();
                 ResultSet rows = statement.executeQuery(
                     "SELECT c.name, s.date_key, s.quantity, s.reporting_amount, d.is_weekend, s.order_id, e.at"
                     + " FROM crm.fact_sales s JOIN crm.dim_customer c USING (customer_key) JOIN crm.dim_date d USING (date_key)"
                     + " JOIN crm.fact_order_events e USING (order_id) WHERE e.seq = 1 ORDER BY s.order_id, s.line_no")) {
                while (rows.next()) {
                    BigDecimal quantity = rows.getBigDecimal("quantity");
                    BigDecimal amount = rows.getBigDecimal("reporting_amount");
                    say("sale", rows.getString("name"), rows.getObject("date_key", LocalDate.class), quantity, amount,
                        amount.scale(), rows.getBoolean("is_weekend"), rows.getLong("order_id"),
                        rows.getObject("at", OffsetDateTime.class).toInstant());
                }
            }
            for (String write : new String[] {"UPDATE crm.orders SET owner = 'Eve'",
                    "INSERT INTO crm.customers (name) VALUES ('Eve')", "DELETE FROM crm.activities"})
                try (Statement statement = connection.createStatement()) {
                    statement.executeUpdate(write);
                    say("done", write);
                } catch (SQLException refused) {
                    say("refused", write.split(" ")[0], refused.getSQLState());
                }
        }
        out.flush();
    }
}
