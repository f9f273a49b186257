import java.sql.Connection;
import java.sql.Driver;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.Statement;
import java.util.Properties;

/** Reads, writes and fails through ClickHouse's JDBC driver, with its defaults and with its first version. See clients.ts. */
public class Jdbc {
  public static void main(String[] args) throws Exception {
    for (String options : new String[] {"", "?clickhouse.jdbc.v1=true"}) {
      Properties user = new Properties();
      user.setProperty("user", "default");
      user.setProperty("password", "");
      // A source that is run without compiling doesn't see the services that a jar names.
      Driver driver = (Driver) Class.forName("com.clickhouse.jdbc.Driver").getDeclaredConstructor().newInstance();
      try (Connection connection = driver.connect("jdbc:ch:http://127.0.0.1:" + args[0] + "/default" + options, user);
          Statement statement = connection.createStatement()) {
        long rows = 0, sum = 0;
        ResultSet result = statement.executeQuery("SELECT number, toString(number) FROM numbers(100000)");
        for (; result.next(); rows++) sum += result.getLong(1) + result.getString(2).length();
        statement.execute("CREATE OR REPLACE TABLE jdbc (a UInt32, b String) ENGINE = MergeTree ORDER BY a");
        statement.executeUpdate("INSERT INTO jdbc VALUES (1, 'x'), (2, 'y')");
        try (PreparedStatement insert = connection.prepareStatement("INSERT INTO jdbc VALUES (?, ?)")) {
          insert.setInt(1, 3);
          insert.setString(2, "z");
          insert.addBatch();
          insert.executeBatch();
        }
        ResultSet count = statement.executeQuery("SELECT count() FROM jdbc");
        count.next();
        long inserted = count.getLong(1);
        String error = "";
        try {
          statement.executeQuery("SELECT missing");
        } catch (Exception caught) {
          error = caught.getMessage().split(" in scope")[0];
        }
        System.out.printf("JDBC%s: %d rows read, sum %d; %d rows inserted; %s%n", options, rows, sum, inserted, error);
      }
    }
  }
}
